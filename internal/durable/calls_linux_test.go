package durable

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// tracedWrite names a file for this test binary to write and then to end.
const tracedWrite = "FX_TEST_TRACED_WRITE"

// It is written before main, when Go keeps to the first thread: strace without -f
// sees this thread alone, so that its calls are the same in each run.
func init() {
	path := os.Getenv(tracedWrite)
	if path == "" {
		return
	}
	if err := WriteBytes(path, []byte("new")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// call is a system call about a file or folder.
type call struct {
	name string // fsync
	of   string // the file's or folder's path, the old one of a renaming
	nth  int    // which call of this name it is
}

var (
	enteredCall = regexp.MustCompile(`^(\w+)\(`)
	calledWith  = regexp.MustCompile(`^\w+\(\d+<([^>]*)>|^rename\w*\([^"]*"([^"]*)"`)
)

// writeTraced writes the file path under strace, in a process of its own. It
// returns the calls about what lies in the path's folder, and what the process said.
func writeTraced(t *testing.T, path string, options ...string) (calls []call, said string, err error) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "strace.log")
	words := append([]string{"-qqq", "-y", "-o", log, "-e", "trace=write,fsync,close,renameat,renameat2"}, options...)
	c := exec.Command("strace", append(words, os.Args[0])...)
	c.Env = append(os.Environ(), tracedWrite+"="+path)
	out, err := c.CombinedOutput()
	text, readErr := os.ReadFile(log)
	if readErr != nil {
		t.Fatal(readErr)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		m := enteredCall.FindStringSubmatch(line)
		if m == nil {
			continue // a signal
		}
		count[m[1]]++
		if with := calledWith.FindStringSubmatch(line); with != nil {
			if of := with[1] + with[2]; strings.HasPrefix(of, filepath.Dir(path)) {
				calls = append(calls, call{m[1], of, count[m[1]]})
			}
		}
	}
	return calls, string(out), err
}

// TestWriteFileIsDurableOrSaysWhyNot: content is synced before the file gets its
// name and the folder afterwards, and an error of any of these calls, which a disk
// may report as late as when the file is closed, is WriteFile's.
func TestWriteFileIsDurableOrSaysWhyNot(t *testing.T) {
	testenv.StraceProgram(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	calls, said, err := writeTraced(t, path)
	if err != nil {
		t.Fatalf("%v %s", err, said)
	}
	at := func(name, of string) int {
		return slices.IndexFunc(calls, func(c call) bool {
			return strings.HasPrefix(c.name, name) && strings.HasPrefix(c.of, of)
		})
	}
	folder := slices.IndexFunc(calls, func(c call) bool { return c.name == "fsync" && c.of == dir })
	order := []int{at("write", path), at("fsync", path), at("close", path), at("rename", path), folder}
	if order[0] < 0 || !slices.IsSorted(order) {
		t.Fatalf("write, fsync, close, rename and fsync of the folder come at %d in %v", order, calls)
	}
	for i, k := range order {
		if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		c := calls[k]
		_, said, err := writeTraced(t, path, "-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", c.name, c.nth))
		if err == nil || !strings.Contains(said, "input/output error") {
			t.Errorf("EIO of %s of %s: %v, said %q", c.name, filepath.Base(c.of), err, said)
		}
		want := "old"
		if i == 4 { // it has its name
			want = "new"
		}
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("EIO of %s of %s: the file holds %q, %v", c.name, filepath.Base(c.of), got, err)
		}
		if left := temporaries(t, dir); len(left) > 0 {
			t.Errorf("EIO of %s of %s: %v is left", c.name, filepath.Base(c.of), left)
		}
	}
}
