//go:build unix

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"fx/internal/ort/orttest"
)

var workerArgs = []string{"worker", "--backbone", "squeezenet1_1", "--weights", "seed:0", "--resize", "64", "--crop",
	"64", "--device", "cpu"}

// workerProcess is `fx worker` with pipes.
type workerProcess struct {
	*exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr strings.Builder
}

func startWorker(t *testing.T) *workerProcess {
	t.Helper()
	p := &workerProcess{Cmd: exec.Command("fx", workerArgs...)}
	p.Stderr = &p.stderr
	var errIn, errOut error
	p.in, errIn = p.StdinPipe()
	p.out, errOut = p.StdoutPipe()
	if err := errors.Join(errIn, errOut, p.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // where the test fails
	return p
}

// lines are n JSON lines, each of a photo.
func jsonLines(t *testing.T, n int) string {
	photo := filepath.Join(twoClasses(t.TempDir()), "train/red/0.jpg")
	return strings.Repeat(fmt.Sprintf("{\"path\": %q}\n", photo), n)
}

// SIGTERM and Ctrl+C end a worker that waits for input: what was read is answered, the stream is complete.
func TestSignalsEndAWorker(t *testing.T) {
	orttest.Library(t)
	for signal, code := range map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 130} {
		p := startWorker(t)
		if _, err := io.WriteString(p.in, jsonLines(t, 5)); err != nil {
			t.Fatal(err)
		}
		r, err := ipc.NewReader(p.out)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for rows < 5 && r.Next() {
			rows += int(r.RecordBatch().NumRows())
		}
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if r.Next() || r.Err() != nil || rows != 5 {
			t.Errorf("%s: %d rows, %v", signal, rows, r.Err())
		}
		_ = p.Wait()
		if p.ProcessState.ExitCode() != code || !strings.Contains(p.stderr.String(), "5 rows answered") {
			t.Errorf("%s: %v: %s", signal, p.ProcessState, p.stderr.String())
		}
	}
	p := startWorker(t) // that has got no row, and may still be loading
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	// Before fx has got to catch signals, SIGTERM ends it.
	if code := p.ProcessState.ExitCode(); code != 0 && code != -1 {
		t.Errorf("%v: %s", p.ProcessState, p.stderr.String())
	}
}

// Where nobody reads the answers any more, a worker ends by SIGPIPE as any filter does, without a word.
func TestAWorkerEndsWithItsReader(t *testing.T) {
	orttest.Library(t)
	p := startWorker(t)
	text := jsonLines(t, 1)
	if _, err := io.WriteString(p.in, text); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(p.out).ReadByte(); err != nil { // it is loaded
		t.Fatal(err)
	}
	_ = p.out.Close()
	for { // until its death closes the pipe
		if _, err := io.WriteString(p.in, text); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_ = p.Wait()
	status := p.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGPIPE || strings.Contains(p.stderr.String(), "error") {
		t.Errorf("%v: %s", p.ProcessState, p.stderr.String())
	}
}

// Nothing but Arrow comes on stdout; misuse has its exit code and a message.
func TestWorkerMisuse(t *testing.T) {
	orttest.Library(t)
	for _, c := range []struct {
		input string
		more  []string
		code  int
		says  string
	}{
		{"hello", nil, 2, "neither an Arrow stream nor JSON lines"},
		{"", []string{"--json"}, 2, "has no --json"},
		{"", []string{"photos"}, 2, "takes flags only"},
		{"", []string{"--exif", "maybe"}, 2, "maybe"},
		{"", []string{"--timeout-per-photo", "-1s"}, 2, "--timeout-per-photo -1s"},
	} {
		p := exec.Command("fx", append(append([]string{}, workerArgs...), c.more...)...)
		p.Stdin = strings.NewReader(c.input)
		if a := run(t, p); a.code != c.code || a.stdout != "" || !strings.Contains(a.stderr, c.says) {
			t.Errorf("%q %v: exit code %d, %q, %s", c.input, c.more, a.code, a.stdout, a.stderr)
		}
	}
	p := exec.Command("fx", workerArgs...)
	p.Stdin = strings.NewReader(jsonLines(t, 3) + "{")
	a := run(t, p)
	r, err := ipc.NewReader(strings.NewReader(a.stdout))
	rows := int64(0)
	for err == nil && r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	if err != nil || r.Err() != nil || rows != 3 || a.code != 3 || !strings.Contains(a.stderr, "damaged in line 4") {
		t.Errorf("%d rows, exit code %d: %v %s", rows, a.code, err, a.stderr)
	}
	if _, err := os.Stat("photos"); err == nil {
		t.Error("a worker writes files")
	}
}
