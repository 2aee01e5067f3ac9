//go:build unix

package nativelib

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"fx/internal/durable"
)

// A pipe in the place of the record of what is installed must not keep fx waiting.
func TestARecordThatIsAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, recordName), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRecord(dir); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("%v", err)
	}
}
