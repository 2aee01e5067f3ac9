//go:build unix

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readers are commands that read a folder of fx's own, by the name that stands for
// FOLDER in them.
var readers = map[string][]string{
	"store": {
		"features info FOLDER", "features verify FOLDER", "features export FOLDER --format csv --out OUT.csv",
		"fit-head --features FOLDER --epochs 1 --out OUT", "lr-find --features FOLDER --steps 20 --repeats 1 --out " +
			"OUT.png",
		"eval --model model --features FOLDER", "report model --out OUT.html",
	},
	"model": {
		"eval --model FOLDER --features store", "predict --model FOLDER photos/train/red/0.jpg",
		"export --model FOLDER --out OUT.onnx", "report FOLDER --out OUT.html", "compare FOLDER other",
	},
	"run": {
		"predict --model FOLDER photos/train/red/0.jpg", "export --model FOLDER --out OUT.onnx", "compare FOLDER other",
	},
}

// No command waits for a pipe in the place of a file that it reads: it ends by
// itself, with an error that fx explains or without one.
func TestNoCommandWaitsForAPipe(t *testing.T) {
	dir := outputsDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	w := writers(dir)
	succeed(t, append(w["fx finetune"].args, "--out", in("run"))...)
	succeed(t, append(w["fx fit-head"].args, "--out", in("other"))...)
	tried := 0
	for folder, commands := range readers {
		for _, name := range written(t, in(folder)) {
			info, err := os.Lstat(filepath.Join(in(folder), name))
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			tried++
			t.Run(folder+"/"+name, func(t *testing.T) {
				t.Parallel()
				base := t.TempDir()
				for _, other := range []string{"store", "model", "run", "other"} {
					if err := os.CopyFS(filepath.Join(base, other), os.DirFS(in(other))); err != nil {
						t.Fatal(err)
					}
				}
				path := filepath.Join(base, folder, name)
				photos := os.Symlink(in("photos"), filepath.Join(base, "photos"))
				if err := errors.Join(photos, os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
					t.Fatal(err)
				}
				for _, command := range commands {
					command = strings.ReplaceAll(strings.ReplaceAll(command, "FOLDER", folder), "OUT", "out")
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					c := exec.CommandContext(ctx, "fx", strings.Fields(command)...)
					c.Dir = base
					said, err := c.CombinedOutput()
					if ctx.Err() != nil {
						t.Fatalf("fx %s does not end", command)
					} else if err != nil && (c.ProcessState.ExitCode() < 2 ||
						!strings.Contains(string(said), "fx: error: ")) {
						t.Errorf("fx %s: %v\n%s", command, err, said)
					}
				}
			})
		}
	}
	if tried < 10 {
		t.Errorf("only %d files were replaced", tried)
	}
}
