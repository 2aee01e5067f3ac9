package fetch_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"fx/internal/fetch"
	"fx/internal/progress"
)

// A check that the disk or Ctrl+C ended says nothing about the file: the next run has it without a download.
func TestAnInterruptedCheckKeepsTheDownload(t *testing.T) {
	for name, ended := range map[string]error{"Ctrl+C": context.Canceled, "a full disk": syscall.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, text)
			f := s.file(t)
			f.Check = func(string) error { return ended }
			if _, err := fast.Get(t.Context(), f, progress.Discard); !errors.Is(err, ended) ||
				errors.Is(err, fetch.ErrDigest) {
				t.Errorf("error %v", err)
			}
			if _, err := fetch.Lookup(filepath.Base(f.Path)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the unchecked file was recorded: %v", err)
			}
			f.Check = nil
			if got, err := fast.Get(t.Context(), f, progress.Discard); err != nil || got.Resumed != int64(len(text)) {
				t.Errorf("%d bytes were kept, %v", got.Resumed, err)
			}
			wantFile(t, f, text)
		})
	}
}

// A known file is compared with its first use before the check may open it; one that exists is checked too.
func TestWhatIsChecked(t *testing.T) {
	s := serve(t, text)
	f := s.file(t)
	checked := 0
	f.Check = func(string) error { checked++; return nil }
	for range 2 {
		if _, err := fast.Get(t.Context(), f, progress.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if checked != 2 {
		t.Errorf("checked %d times", checked)
	}
	other := s.file(t)
	other.Check, other.SHA256Prefix = f.Check, ""
	other.Path = filepath.Join(t.TempDir(), filepath.Base(f.Path))
	s.content[0]++
	if _, err := fast.Get(t.Context(), other, progress.Discard); !errors.Is(err, fetch.ErrDigest) || checked != 2 {
		t.Errorf("another file: %v, checked %d times", err, checked)
	}
}
