//go:build unix

package filehash

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fx/internal/durable"
)

func TestSum(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(path, []byte("abc"), 0o600), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, hash := range map[string]func(context.Context, string) (string, int64, error){
		"Sum": Sum, "RememberedSum": RememberedSum,
	} {
		if sum, size, err := hash(t.Context(), path); sum != abc || size != 3 || err != nil {
			t.Errorf("%s: %s of %d bytes, %v", name, sum, size, err)
		}
		if _, _, err := hash(t.Context(), pipe); !errors.Is(err, durable.ErrNotRegular) { // it must not keep fx waiting
			t.Errorf("%s of a pipe: %v", name, err)
		}
		if _, _, err := hash(ended, path); !errors.Is(err, context.Canceled) {
			t.Errorf("%s after its context: %v", name, err)
		}
	}
}

func TestIsSHA256(t *testing.T) {
	for text, want := range map[string]bool{
		sum: true, strings.ToUpper(sum): false, sum[1:]: false, sum + "0": false, "g" + sum[1:]: false, "": false,
	} {
		if IsSHA256(text) != want {
			t.Errorf("%q", text)
		}
	}
}
