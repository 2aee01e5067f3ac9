package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tinyNetwork trains in a second, see finetune/artifacts/testdata/tiny.py.
const tinyNetwork = "../finetune/artifacts/testdata/tiny.onnx"

// answer is what a process of fx did.
type answer struct {
	code           int
	stdout, stderr string
}

// fx runs the real main in a process of its own; TestMain has put it into PATH. Hints name flags
// that the command has.
func fx(t *testing.T, args ...string) answer {
	t.Helper()
	a := run(t, exec.Command("fx", args...))
	checkHint(t, args, a.stderr)
	return a
}

// run runs a process to its end. A signal that ended it counts as a failure.
func run(t *testing.T, c *exec.Cmd) answer {
	t.Helper()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("%v: %v\n%s", c.Args, err, stderr.String())
	}
	return answer{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// succeed is fx for a command that must not fail.
func succeed(t *testing.T, args ...string) answer {
	t.Helper()
	a := fx(t, args...)
	if a.code != 0 {
		t.Fatalf("fx %s: exit code %d\n%s", strings.Join(args, " "), a.code, a.stderr)
	}
	return a
}

// twoClasses draws photos in dir/{train,val}/{blue,red}.
func twoClasses(dir string) string {
	var folders []string
	for _, split := range []string{"train", "val"} {
		for _, class := range []string{"blue", "red"} {
			folders = append(folders, filepath.Join(dir, split, class))
		}
	}
	drawPhotos(folders)
	return dir
}

// content maps every file in dir to its bytes; a folder ends in a slash.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			all[name+"/"] = ""
			return err
		}
		text, err := os.ReadFile(path)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameTraining compares what two RUNs have learned.
func sameTraining(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{
		"checkpoint/last/model.safetensors", "checkpoint/last/training.state",
		"checkpoint/best/model.safetensors", "checkpoint/best/training.state", "head.safetensors",
	} {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		if err := errors.Join(errX, errY); err != nil {
			t.Fatal(err)
		}
		if string(x) != string(y) {
			t.Errorf("%s differs", name)
		}
	}
}
