//go:build linux

package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// A kill just before a file gets its name leaves a temporary file. The next run
// of the same command takes it away, whichever file it was.
func TestTheNextRunRemovesWhatAKillLeft(t *testing.T) {
	strace := testenv.StraceProgram(t)
	dir := outputsDir(t)
	for command, w := range writers(dir) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			args := func(parent string, more ...string) []string {
				return append(append(slices.Clone(w.args), "--out", filepath.Join(parent, "out"+w.ending)), more...)
			}
			first := filepath.Join(base, "first")
			if err := os.Mkdir(first, 0o700); err != nil {
				t.Fatal(err)
			}
			succeed(t, args(first)...)
			orphans := 0
			for _, name := range written(t, first) {
				again := filepath.Join(base, "again")
				if err := errors.Join(os.RemoveAll(again), os.Mkdir(again, 0o700)); err != nil {
					t.Fatal(err)
				}
				killed := exec.Command(strace,
					append([]string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=renameat,renameat2",
						"-e", "inject=renameat,renameat2:signal=KILL", "-P", filepath.Join(again,
							name), "fx"}, args(again)...)...)
				_ = killed.Run() // not every name is one that a file is renamed to
				left := temporaries(t, again)
				if len(left) == 0 {
					continue
				}
				orphans++
				succeed(t, args(again, w.again...)...)
				if still := temporaries(t, again); len(still) > 0 {
					t.Errorf("killed at %s it left %q, and the next run leaves %q", name, left, still)
				}
			}
			if orphans == 0 {
				t.Error("no kill left a temporary file: the test shows nothing")
			}
			t.Logf("%d kills left something", orphans)
		})
	}
}

// temporaries are the temporary files and folders below dir.
func temporaries(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".fx-tmp-") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
