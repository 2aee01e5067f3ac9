package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/ort/orttest"
	"fx/internal/testenv"
)

// failing is fx whose system calls on one file fail.
func failing(t *testing.T, file, call, errno string, args ...string) answer {
	t.Helper()
	strace := testenv.StraceProgram(t)
	program, err := exec.LookPath("fx")
	if err != nil {
		t.Fatal(err)
	}
	inject := []string{"-f", "-qq", "-o", os.DevNull, "-P", file, "-e", "trace=" + call, "-e", "inject=" + call +
		":error=" + errno}
	all := append(append(inject, program), args...)
	return run(t, exec.Command(strace, all...))
}

// rows counts the rows of a store.
func rows(t *testing.T, store string) int {
	t.Helper()
	var info struct{ Rows int }
	if err := json.Unmarshal([]byte(succeed(t, "features", "info", store, "--json").stdout), &info); err != nil {
		t.Fatal(err)
	}
	return info.Rows
}

// A disk that fails to read a photo, and a process without descriptors or memory, say nothing
// about the photo: its row stays in a finished store, and the exit code is 10 (6 for a full disk).
func TestAReadThatFailsRemovesNoRow(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store, model := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store"), filepath.Join(dir,
		"model")
	photo, err := filepath.Abs(filepath.Join(data, "train", "red", "3.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	extract := []string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--quiet"}
	succeed(t, extract...)
	succeed(t, "fit-head", "--features", store, "--out", model, "--epochs", "2", "--quiet")
	all := rows(t, store)
	for _, c := range []struct {
		call, errno string
		code        int
	}{
		{"read", "EIO", 10}, {"openat", "EMFILE", 10}, {"read", "ENOMEM", 10},
		{"newfstatat", "EIO", 10}, {"read", "ENOSPC", 6},
	} {
		t.Run(c.call+" "+c.errno, func(t *testing.T) {
			another := time.Now().Add(-time.Hour - time.Duration(len(t.Name()))*time.Second) // so that it is read again
			if err := os.Chtimes(photo, another, another); err != nil {
				t.Fatal(err)
			}
			for name, args := range map[string][]string{
				"extract":  extract,
				"finetune": training(data, filepath.Join(t.TempDir(), "run")),
				"predict":  {"predict", "--model", model, photo, "--quiet"},
				"eval":     {"eval", "--model", model, "--data", data, "--split", "train", "--quiet"},
			} {
				a := failing(t, photo, c.call, c.errno, args...)
				if a.code != c.code || !strings.Contains(a.stderr, filepath.Join(data, "train", "red", "3.jpg")) {
					t.Errorf("%s: exit code %d: %s", name, a.code, a.stderr)
				}
			}
			if n := rows(t, store); n != all {
				t.Errorf("%d rows are left of %d", n, all)
			}
		})
	}
	if a := succeed(t, extract...); rows(t, store) != all || strings.Contains(a.stderr, "rejected") {
		t.Errorf("afterwards: %s%s", a.stdout, a.stderr)
	}
}

// One read that fails is tried again.
func TestAReadThatFailsOnceIsTriedAgain(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store")
	photo, err := filepath.Abs(filepath.Join(data, "train", "red", "3.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	a := failing(t, photo, "read", "EIO:when=1", "extract", "--backbone", tinyNetwork, "--data", data, "--out", store,
		"--quiet")
	if a.code != 0 || !strings.Contains(a.stdout, " 0 photos rejected") {
		t.Errorf("exit code %d: %s%s", a.code, a.stdout, a.stderr)
	}
}

// Files that never end, whatever their mode says, neither hang a run nor are opened.
func TestWhatIsNoFileIsNotRead(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store")
	class := filepath.Join(data, "train", "red")
	if err := errors.Join(
		os.Symlink("/proc/kmsg", filepath.Join(class, "kmsg.jpg")),
		os.WriteFile(filepath.Join(class, "empty.jpg"), nil, 0o644),
	); err != nil {
		t.Fatal(err)
	}
	testenv.MakePipe(t, filepath.Join(class, "pipe.jpg"))
	c := exec.Command("fx", "extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--quiet")
	ended := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() }) // it hangs: the test fails
	defer ended.Stop()
	a := run(t, c)
	for _, want := range []string{"kmsg.jpg: 0 bytes", "empty.jpg: 0 bytes", "pipe.jpg: no regular file"} {
		if a.code != 0 || !strings.Contains(a.stdout, want) {
			t.Errorf("exit code %d, want %q in: %s%s", a.code, want, a.stdout, a.stderr)
		}
	}
}

// A process that may open few files says so before ONNX Runtime meets it.
func TestTooFewDescriptors(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	script := `ulimit -n 24; exec fx extract --backbone "$0" --data "$1" --out "$2" --quiet`
	a := run(t, exec.Command("sh", "-c", script, tinyNetwork, data, filepath.Join(dir, "store")))
	if a.code != 10 || !strings.Contains(a.stderr, "ulimit -n") {
		t.Errorf("exit code %d: %s", a.code, a.stderr)
	}
}

// A photo that takes more memory than is allowed ends the run, and is not rejected.
func TestAPhotoLargerThanTheMemory(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store")
	a := fx(t, "extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--decode-memory", "1KiB",
		"--quiet")
	if a.code != 3 || !strings.Contains(a.stderr, "--decode-memory 1MiB") || strings.Contains(a.stdout, "rejected") {
		t.Errorf("exit code %d: %s%s", a.code, a.stdout, a.stderr)
	}
	if a := fx(t, "extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--decode-memory",
		"much"); a.code != 2 {
		t.Errorf("exit code %d: %s", a.code, a.stderr)
	}
	succeed(t, "extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--decode-memory", "1MiB",
		"--quiet")
}
