package nativelib

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSystemOf(t *testing.T) {
	pe := append([]byte("MZ"+strings.Repeat("\x00", 0x3a)), "\x40\x00\x00\x00PE\x00\x00"...)
	for want, head := range map[string]string{
		"linux/amd64":   magicELF + strings.Repeat("\x00", 14) + "\x3e\x00\x00\x00",
		"linux/arm64":   magicELF + strings.Repeat("\x00", 14) + "\xb7\x00\x00\x00",
		"darwin/amd64":  magicMachO + "\x07\x00\x00\x01",
		"darwin/arm64":  magicMachO + "\x0c\x00\x00\x01",
		"windows/amd64": string(pe) + "\x64\x86\x00\x00",
		"windows/arm64": string(pe) + "\x64\xaa\x00\x00",
		"":              magicELF,
	} {
		path := filepath.Join(t.TempDir(), "library")
		write(t, path, []byte(head))
		if got := systemOf(path); got != want {
			t.Errorf("%q is for %q, want %q", head, got, want)
		}
	}
	write(t, filepath.Join(t.TempDir(), "cut"), pe[:0x3d])
	if got := systemOf(filepath.Join(t.TempDir(), "nothing")); got != "" {
		t.Errorf("no file is for %q", got)
	}
}
