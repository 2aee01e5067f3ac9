package durable

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slowWrite names a file for this test binary to write until it is killed.
const slowWrite = "FX_TEST_SLOW_WRITE"

func TestMain(m *testing.M) {
	if path := os.Getenv(slowWrite); path != "" {
		err := WriteFile(path, func(w io.Writer) error {
			if _, err := w.Write(make([]byte, 2<<20)); err != nil {
				return err
			}
			fmt.Println("writing")
			_, err := io.Copy(io.Discard, os.Stdin) // until the test ends
			return err
		})
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startWriter starts a process that is writing path when startWriter returns.
func startWriter(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), slowWrite+"="+path)
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "writing\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return c
}

func temporaries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+tempMark+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOnlyTheTemporaryFilesOfTheDeadAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	killed := startWriter(t, path)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	orphan := temporaries(t, dir)
	if len(orphan) != 1 {
		t.Fatalf("the killed process left %v", orphan)
	}
	startWriter(t, path)
	if got := temporaries(t, dir); len(got) != 2 {
		t.Fatalf("beside the live process: %v", got)
	}
	for what, remove := range map[string]func() error{
		"of another file": func() error { return RemoveStaleOf(filepath.Join(dir, "another")) },
		"of the file":     func() error { return RemoveStaleOf(path) },
		"of the folder":   func() error { return RemoveStale(dir) },
	} {
		if err := remove(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	got := temporaries(t, dir)
	if len(got) != 1 || got[0] == orphan[0] {
		t.Errorf("after both: %v stay, the orphan was %v", got, orphan)
	}
	if err := RemoveStaleOf(filepath.Join(dir, "missing", "f")); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestRemoveStaleOfTakesNoOtherFilesOrphan(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.fx-tmp-1", "b.fx-tmp-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveStaleOf(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if got := temporaries(t, dir); len(got) != 1 || filepath.Base(got[0]) != "b.fx-tmp-1" {
		t.Errorf("%v stay", got)
	}
}

func TestWhereLocksDoNotTellTheAgeDoes(t *testing.T) {
	locks := lockTemp
	for _, c := range []struct {
		name  string
		host  string
		lock  func(string) (*FileLock, bool, error)
		age   time.Duration
		stays bool
	}{
		{"of this host", thisHost(), locks, 0, false},
		{"of another host, which may be at work", "0badcafe", locks, time.Hour, true},
		{"of another host, old", "0badcafe", locks, 25 * time.Hour, false},
		{"no locks, young", thisHost(), noLocks, time.Hour, true},
		{"no locks, old", thisHost(), noLocks, 25 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			lockTemp = c.lock
			defer func() { lockTemp = locks }()
			dir := t.TempDir()
			path := filepath.Join(dir, "f"+tempMark+c.host+"-12345678")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			written := time.Now().Add(-c.age)
			if err := os.Chtimes(path, written, written); err != nil {
				t.Fatal(err)
			}
			if err := RemoveStale(dir); err != nil {
				t.Fatal(err)
			}
			if stays := len(temporaries(t, dir)) == 1; stays != c.stays {
				t.Errorf("it stays: %v", stays)
			}
			if err := WriteBytes(filepath.Join(dir, "g"), nil); err != nil { // needs no locks
				t.Error(err)
			}
		})
	}
}

func noLocks(path string) (*FileLock, bool, error) {
	return newFileLock(path, 0), false, errors.ErrUnsupported
}

// The lock of a temporary file lasts until the file has its name: else a
// process that clears up could take it away in between.
func TestATemporaryFileIsLockedUntilItHasItsName(t *testing.T) {
	dir := t.TempDir()
	done := make(chan error)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				close(done)
				return
			default:
				if err := RemoveStale(dir); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	for i := range 100 {
		if err := WriteBytes(filepath.Join(dir, fmt.Sprint("f", i%3)), []byte("content")); err != nil {
			t.Errorf("write %d: %v", i, err)
			break
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := temporaries(t, dir); len(got) != 0 {
		t.Errorf("left: %s", strings.Join(got, " "))
	}
}
