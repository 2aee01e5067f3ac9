//go:build unix

package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// written lists what a command made at out, relative to it: every file and
// folder, and the names that a folder has while it is replaced.
func written(t *testing.T, out string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(out, path)
		if name != "." && d.IsDir() && strings.Contains(name, "checkpoint") {
			names = append(names, name+".fx-tmp-new", name+".fx-tmp-old")
		}
		if name != "." || !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// trap is what somebody puts in the place of a name before the command runs again.
type trap struct {
	name string
	put  func(path, victim string) error
}

// The victim of the first is a copy of what the name had, so that a command
// that reads it finds nothing amiss and goes on to write.
var traps = []trap{
	{"a link", func(path, victim string) error { return os.Symlink(victim, path) }},
	{"a link to nothing", func(path, victim string) error { return os.Symlink(victim+"-missing", path) }},
	{"a pipe", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }},
}

// Nothing is written through a link, whichever of a command's names it has, and
// nothing waits for a pipe: the command works, or says what is wrong.
func TestNoCommandWritesThroughALink(t *testing.T) {
	dir := outputsDir(t)
	for command, w := range writers(dir) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			args := func(out string, more ...string) []string {
				return append(append(slices.Clone(w.args), "--out", out), more...)
			}
			parent := filepath.Join(base, "first") // pictures and tables lie beside --out
			if err := os.Mkdir(parent, 0o700); err != nil {
				t.Fatal(err)
			}
			succeed(t, args(filepath.Join(parent, "out"+w.ending))...)
			for i, name := range written(t, parent) {
				if name == "out" {
					continue // --out itself may be a link
				}
				for _, trap := range traps {
					if testing.Short() && trap.name != traps[i%len(traps)].name {
						continue
					}
					again := filepath.Join(base, "again")
					spring(t, trap, parent, again, name, args(filepath.Join(again, "out"+w.ending), w.again...))
				}
			}
		})
	}
}

// spring puts the trap in the place of name in a copy of the folder first, and
// runs the command there.
func spring(t *testing.T, trap trap, first, again, name string, args []string) {
	t.Helper()
	victim := filepath.Join(filepath.Dir(again), "victim")
	path := filepath.Join(again, name)
	err := errors.Join(os.RemoveAll(again), os.RemoveAll(victim), os.CopyFS(again, os.DirFS(first)))
	if _, missing := os.Lstat(path); missing != nil {
		err = errors.Join(err, os.WriteFile(victim, []byte("the victim's own words"), 0o600))
	} else {
		err = errors.Join(err, os.Rename(path, victim))
	}
	if err := errors.Join(err, trap.put(path, victim)); err != nil {
		t.Fatal(err)
	}
	before := content(t, victim)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stderr strings.Builder
	c := exec.CommandContext(ctx, "fx", args...)
	c.Stderr = &stderr
	err = c.Run()
	if ctx.Err() != nil {
		t.Errorf("%s in the place of %s: the command does not end", trap.name, name)
		return
	}
	if err != nil && (c.ProcessState.ExitCode() < 0 || !strings.Contains(stderr.String(), "fx: error: ")) {
		t.Errorf("%s in the place of %s: %v\n%s", trap.name, name, err, stderr.String())
	}
	if after := content(t, victim); !equalContent(before, after) {
		t.Errorf("%s in the place of %s: the victim is no longer what it was", trap.name, name)
	}
	if _, err := os.Lstat(victim + "-missing"); err == nil {
		t.Errorf("%s in the place of %s: the file that it names was made", trap.name, name)
		_ = os.RemoveAll(victim + "-missing")
	}
}

func equalContent(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, text := range a {
		if b[name] != text {
			return false
		}
	}
	return true
}

// --out itself and the folders above it may be links, as people have scratch disks.
func TestOutMayBeALink(t *testing.T) {
	dir := outputsDir(t)
	for command, w := range writers(dir) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			scratch, linked := filepath.Join(base, "scratch"), filepath.Join(base, "linked")
			if err := errors.Join(os.Mkdir(scratch, 0o700), os.Symlink(scratch, linked)); err != nil {
				t.Fatal(err)
			}
			places := []string{filepath.Join(linked, "out"+w.ending)}
			if w.folder {
				places = append(places, linked)
			}
			for _, out := range slices.Backward(places) {
				succeed(t, append(slices.Clone(w.args), "--out", out)...)
				if names := written(t, scratch); len(names) == 0 {
					t.Errorf("--out %s: nothing lies at the end of the link", out)
				}
				if info, err := os.Lstat(linked); err != nil || info.Mode()&fs.ModeSymlink == 0 {
					t.Errorf("--out %s: the link was replaced", out)
				}
				if err := errors.Join(os.RemoveAll(scratch), os.Mkdir(scratch, 0o700)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Files get 0666 less the umask, folders 0777 less it.
func TestOutputsObeyTheUmask(t *testing.T) {
	dir := outputsDir(t)
	for _, umask := range []string{"002", "077"} {
		for command, w := range writers(dir) {
			t.Run(umask+" "+command, func(t *testing.T) {
				t.Parallel()
				parent := t.TempDir()
				shell := append([]string{"-c", `umask "$0" && exec fx "$@"`, umask}, w.args...)
				shell = append(shell, "--out", filepath.Join(parent, "out"+w.ending))
				if a := run(t, exec.Command("sh", shell...)); a.code != 0 {
					t.Fatalf("exit code %d\n%s", a.code, a.stderr)
				}
				for _, name := range written(t, parent) {
					info, err := os.Stat(filepath.Join(parent, name))
					if errors.Is(err, fs.ErrNotExist) {
						continue // the name of a folder that is replaced
					} else if err != nil {
						t.Fatal(err)
					}
					want := map[string][2]fs.FileMode{"002": {0o664, 0o775}, "077": {0o600, 0o700}}[umask]
					kind := 0
					if info.IsDir() {
						kind = 1
					}
					if info.Mode().Perm() != want[kind] {
						t.Errorf("%s has the mode %03o", name, info.Mode().Perm())
					}
				}
			})
		}
	}
}
