//go:build unix

package fetch_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fx/internal/durable"
	"fx/internal/fetch"
)

// A pipe in the place of an entry of the registry must not keep fx waiting.
func TestAnEntryThatIsAPipe(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FX_CACHE_DIR", cache)
	entry := filepath.Join(cache, "registry", "weights.pth.json")
	if err := errors.Join(os.Mkdir(filepath.Dir(entry), 0o700), syscall.Mkfifo(entry, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.Lookup("weights.pth"); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("%v", err)
	}
}
