//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func ExampleOutput() {
	text, err := Output(context.Background(), "go", "env", "GOOS")
	fmt.Println(strings.TrimSpace(string(text)) == runtime.GOOS, err)
	// Output: true <nil>
}

func TestErrorsEndInTheLastLine(t *testing.T) {
	_, err := Output(t.Context(), "sh", "-c", "echo Traceback >&2; echo ValueError: no >&2; exit 3")
	if err == nil || err.Error() != "ValueError: no (exit status 3)" {
		t.Errorf("%v", err)
	}
	if _, err := Output(t.Context(), "sh", "-c", "exit 3"); err == nil || err.Error() != "sh: exit status 3" {
		t.Errorf("%v", err)
	}
	if line := lastLine("x\n" + strings.Repeat("é", 300) + "\n\n"); line != strings.Repeat("é", 200)+"…" {
		t.Errorf("%q", line)
	}
}

// A context that ends takes the grandchildren along.
func TestCancelKillsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "pid")
	ended := make(chan error)
	go func() {
		_, err := Output(ctx, "sh", "-c", "sleep 1000 & echo $! > "+file+".part; mv "+file+".part "+file+"; wait")
		ended <- err
	}()
	var pid int
	for pid == 0 {
		time.Sleep(time.Millisecond)
		text, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for dead := false; !dead; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		dead = syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ")
	}
}

func TestMeasureAddsUp(t *testing.T) {
	printed, u, err := Measure(t.Context(), []string{"sh", "-c", "echo a; exec sleep 0.05"},
		[]string{"sh", "-c", "echo b; exec sleep 0.05"})
	if err != nil || len(printed) != 2 || string(printed[0]) != "a\n" || string(printed[1]) != "b\n" {
		t.Fatalf("%q, %v", printed, err)
	}
	if u.WallSeconds < 0.1 {
		t.Errorf("two sleeps of 0.05 s took %g s", u.WallSeconds)
	}
	if _, _, err := Measure(t.Context(), []string{"true"}, []string{"false"}); err == nil {
		t.Error("no error of the second")
	}
}

// hold names, in the environment, how many processes are to hold 60 MB each.
const hold = "FX_TEST_HOLD"

func TestMain(m *testing.M) {
	switch os.Getenv(hold) {
	case "forever": // with a child, until both are killed
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), hold+"=child")
		if err := child.Start(); err != nil {
			panic(err)
		}
		holdMemory()
		_ = child.Wait() // it is killed
	case "child":
		holdMemory()
		time.Sleep(time.Hour)
	case "once":
		holdMemory()
	default:
		os.Exit(m.Run())
	}
}

var held []byte

func holdMemory() {
	held = make([]byte, 60e6)
	for i := range held {
		held[i] = byte(i)
	}
}

func TestPeakOfOneProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is known on Linux only")
	}
	t.Setenv(hold, "once")
	_, u, err := Measure(t.Context(), []string{os.Args[0]})
	if err != nil || u.PeakMB < 60 || u.PeakMB > 100 {
		t.Errorf("a process of 60 MB: peak %.0f MB, %v", u.PeakMB, err)
	}
}
