//go:build unix

package fetch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fx/internal/durable"
)

// A download writes through no link that lies in the place of one of its files.
func TestADownloadWritesThroughNoLink(t *testing.T) {
	for _, ending := range []string{".part", ".part.json", ".lock"} {
		for trap, put := range map[string]func(path, victim string) error{
			"a link":            func(path, victim string) error { return os.Symlink(victim, path) },
			"a link to nothing": func(path, victim string) error { return os.Symlink(victim+"-missing", path) },
			"a pipe":            func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		} {
			s := serve(t, text)
			f, victim := s.file(t), filepath.Join(t.TempDir(), "victim")
			if err := errors.Join(
				os.MkdirAll(filepath.Dir(f.Path), 0o700), os.WriteFile(victim, []byte("words"),
					0o600), put(f.Path+ending, victim),
			); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := fast.Get(ctx, f, &watcher{})
			if ctx.Err() != nil {
				t.Fatalf("%s at %s: it does not end", trap, ending)
			}
			cancel()
			if ending != ".part.json" && !errors.Is(err, durable.ErrNotRegular) { // that one is replaced
				t.Errorf("%s at %s: %v", trap, ending, err)
			}
			if got, _ := os.ReadFile(victim); string(got) != "words" {
				t.Errorf("%s at %s: the victim holds %.20q", trap, ending, got)
			}
			if _, err := os.Lstat(victim + "-missing"); err == nil {
				t.Errorf("%s at %s: the file that it names was made", trap, ending)
			}
		}
	}
}
