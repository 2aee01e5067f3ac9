package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fx/finetune/artifacts"
	"fx/internal/ort/orttest"
)

// Ctrl+C and SIGTERM end a training cleanly: exit code 130, a checkpoint of where
// it stood, nothing temporary; --resume goes on to the bits of a run that nobody
// stopped, also where there are fewer CPUs.
func TestAnInterruptedTrainingGoesOn(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, undisturbed := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "undisturbed")
	long := func(out string) []string { return with(training(data, out, "--resume"), "--epochs", "30") }
	succeed(t, long(undisturbed)...)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			c := exec.Command("fx", long(out)...)
			stderr, err := c.StderrPipe()
			if err == nil {
				err = c.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			for lines.Scan() && !strings.Contains(lines.Text(), "epoch 3 of 30:") {
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(stderr)
			if err := c.Wait(); c.ProcessState.ExitCode() != 130 {
				t.Fatalf("%v: %s", err, rest)
			}
			if said := string(rest); !strings.Contains(said, "stopped after ") ||
				!strings.HasSuffix(said, "fx: error: interrupted\nfx: --resume continues from there.\n") {
				t.Errorf("said: %s", said)
			}
			if _, err := artifacts.ReadCheckpoint(filepath.Join(out, "checkpoint", "last")); err != nil {
				t.Error(err)
			}
			for name := range content(t, out) {
				if strings.Contains(name, ".fx-tmp-") {
					t.Errorf("left behind: %s", name)
				}
			}
			resumed := exec.Command("fx", long(out)...)
			resumed.Env = append(os.Environ(), "GOMAXPROCS=1")
			if a := run(t, resumed); a.code != 0 || !strings.Contains(a.stderr, "resuming after ") {
				t.Fatalf("exit code %d: %s", a.code, a.stderr)
			}
			sameTraining(t, undisturbed, out)
		})
	}
}

// A second Ctrl+C ends a process at once, even one that hangs in the clean end
// that the first asked for. Here it hangs where it tells of its progress, since
// nobody reads its stderr.
func TestASecondInterruptEndsAtOnce(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, out := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "run")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	fill(t, writer)
	c := exec.Command("fx", training(data, out)...)
	c.Stderr = writer
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	defer func() { _ = c.Process.Kill() }() // where the test fails
	within := func(d time.Duration) bool {
		select {
		case err := <-ended:
			ended <- err
			return true
		case <-time.After(d):
			return false
		}
	}
	for wait := 0; wait < 100 && !within(100*time.Millisecond); wait++ {
		if _, err := os.Stat(filepath.Join(out, "lock")); err == nil { // it is well under way
			break
		}
	}
	if within(300 * time.Millisecond) {
		t.Fatalf("it ended before the first interrupt: %v", c.ProcessState)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if within(500 * time.Millisecond) {
		t.Fatalf("it did not hang: %v", c.ProcessState)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if !within(5 * time.Second) {
		t.Fatal("it still runs after the second interrupt")
	}
	if status := c.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, not by the interrupt", c.ProcessState)
	}
}

// fill writes to the pipe until it takes no more.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	if err := pipe.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := pipe.Write(make([]byte, 1<<10)); os.IsTimeout(err) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
