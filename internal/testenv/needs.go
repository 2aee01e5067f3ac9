package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PhotosDir returns FX_DATA_DIR, the folder hymenoptera_data, for tests that need Photos.
func PhotosDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FX_DATA_DIR")
	if _, err := os.Stat(filepath.Join(dir, "train", "ants")); dir == "" || err != nil {
		Lacks(t, Photos, "FX_DATA_DIR is not the folder hymenoptera_data")
	}
	return dir
}

// WeightsFile returns the file of a network in FX_WEIGHTS_DIR, such as
// "squeezenet1_1.safetensors", for tests that need Weights.
func WeightsFile(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("FX_WEIGHTS_DIR")
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); dir == "" || err != nil {
		Lacks(t, Weights, "FX_WEIGHTS_DIR is not a folder with %s", name)
	}
	return path
}

// StraceProgram returns the path of strace, which lets system calls fail, for tests that need Strace.
func StraceProgram(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		Lacks(t, Strace, "strace is not installed")
	}
	if out, err := exec.Command(path, "-f", "--seccomp-bpf", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		Lacks(t, Strace, "needs strace 5.3 or later, and leave to trace: %v %s", err, out)
	}
	return path
}
