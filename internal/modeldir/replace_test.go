package modeldir_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/modeldir"
	"fx/internal/testenv"
)

// version is a MODEL whose weights and model.json tell which one it is.
func version(n int) (modeldir.Model, headspec.Params) {
	m, p := example("linear")
	m.Seed = uint64(n)
	p.Bias = []float32{float32(n), float32(n)}
	return m, p
}

func saveVersion(dir string, n int) error {
	m, p := version(n)
	return modeldir.Save(dir, m, p)
}

// loadVersion returns which version dir holds, or an error where it holds a mixture.
func loadVersion(dir string) (int, error) {
	m, p, err := modeldir.Load(dir)
	if err == nil && p.Bias[0] != float32(m.Seed) {
		err = fmt.Errorf("the weights of version %v with the model.json of version %d", p.Bias[0], m.Seed)
	}
	return int(m.Seed), err
}

// Two that write at once, and readers meanwhile: always one of the MODELs, whole.
func TestTwoWhoSaveAtOnce(t *testing.T) {
	dir := t.TempDir()
	if err := saveVersion(dir, 0); err != nil {
		t.Fatal(err)
	}
	var writers, reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := loadVersion(dir); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for w := range 2 {
		writers.Go(func() {
			for i := range 15 {
				if err := saveVersion(dir, 100*w+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	reader.Wait()
}

// TestChildThatSaves is a process of TestFaultsLeaveTheOldModelOrTheNewOne.
func TestChildThatSaves(t *testing.T) {
	dir := os.Getenv("FX_TEST_SAVE")
	if dir == "" {
		t.Skip("only as a child")
	}
	if err := saveVersion(dir, 2); err != nil {
		t.Fatal(err)
	}
}

// The system fails or the process dies at every write, fsync, renaming and removal
// of Save, in another process under strace. Files of others stay.
func TestFaultsLeaveTheOldModelOrTheNewOne(t *testing.T) {
	strace := testenv.StraceProgram(t)
	if testing.Short() {
		t.Skip("some hundred processes")
	}
	base := t.TempDir()
	results := map[string]int{}
	for _, fault := range []struct {
		calls, inject string
		most          int // calls of a Save, or some more
	}{
		{"fsync", "error=EIO", 12}, {"fsync", "signal=KILL", 12},
		{"rename,renameat,renameat2", "error=EIO", 12}, {"rename,renameat,renameat2", "signal=KILL", 12},
		{"write", "error=ENOSPC", 6}, {"write", "signal=KILL", 6},
		{"unlinkat,unlink", "error=EIO", 4}, {"fchmod,fchmodat", "error=EPERM", 4}, {"flock", "error=EIO", 2},
	} {
		for k := 1; k <= fault.most; k++ {
			dir := filepath.Join(base, "model")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := saveVersion(dir, 1); err != nil {
				t.Fatal(err)
			}
			foreign := filepath.Join(dir, "classifier.onnx")
			if err := os.WriteFile(foreign, []byte("exported"), 0o644); err != nil {
				t.Fatal(err)
			}
			arguments := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + fault.calls,
				"-e", fmt.Sprintf("inject=%s:%s:when=%d", fault.calls, fault.inject,
					k), os.Args[0], "-test.run=^TestChildThatSaves$"}
			child := exec.CommandContext(t.Context(), strace, arguments...)
			child.Env = append(os.Environ(), "FX_TEST_SAVE="+dir)
			out, err := child.CombinedOutput()
			name := fmt.Sprintf("%s %s, call %d", fault.calls, fault.inject, k)
			n, loadErr := loadVersion(dir)
			if loadErr != nil || n != 1 && n != 2 || err == nil && n != 2 {
				t.Errorf("%s (%v): version %d, %v\n%s", name, err, n, loadErr, out)
			}
			results[fmt.Sprintf("version %d, child ok %v", n, err == nil)]++
			if text, err := os.ReadFile(foreign); err != nil || string(text) != "exported" {
				t.Errorf("%s: a file of somebody else is %q, %v", name, text, err)
			}
			if err := saveVersion(dir, 3); err != nil {
				t.Errorf("%s: the next one: %v", name, err)
			}
			if n, err := loadVersion(dir); n != 3 || err != nil {
				t.Errorf("%s: then version %d, %v", name, n, err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*"))
			if len(files) != 4 { // the lock, and that of somebody else
				t.Errorf("%s: then the folder holds %v", name, files)
			}
		}
	}
	if results["version 1, child ok false"] == 0 || results["version 2, child ok false"] == 0 ||
		results["version 2, child ok true"] == 0 {
		t.Errorf("the faults miss a side: %v", results)
	}
	t.Log(results)
}

// A file system without locks is told as such, and not as somebody's MODEL.
func TestSaveTellsWhyItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := saveVersion(filepath.Join(file, "model"), 1); fail.KindOf(err) != fail.Usage ||
		!errors.Is(err, syscall.ENOTDIR) || fail.HintOf(err) == "" {
		t.Errorf("below a file: %v", err)
	}
}
