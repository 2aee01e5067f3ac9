package command

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// Neither of two processes has 120 MB, both together have. The watch is given
// all the time that it needs.
func TestPeakOfAGroup(t *testing.T) {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), hold+"=forever")
	ownGroup(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w := watchMemory(c.Process.Pid)
	deadline := time.Now().Add(time.Minute)
	for w.seen() < 120 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Cancel(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	if peak := w.stop(); peak < 120 || peak > 200 {
		t.Errorf("two processes of 60 MB: peak %.0f MB", peak)
	}
}

func TestGroupOf(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 1 12 12 0 -1":     12,
		"13 (a) b) (c) R 12 99 12 0": 99,
		"":                           0,
		"13 (a) R":                   0,
	} {
		if got := groupOf(stat); got != want {
			t.Errorf("%q: %d, want %d", stat, got, want)
		}
	}
}

func TestBusyOf(t *testing.T) {
	for stat, want := range map[string]float64{
		"cpu  100 20 30 5000 600 7 3 40 99 99\ncpu0 1 1 1 1 1 1 1 1 0 0\n": 2,
		"cpu0 1 1 1 1 1 1 1 1\n": 0,
		"":                       0,
	} {
		if got := busyOf(stat); got != want {
			t.Errorf("%q: %g s, want %g", stat, got, want)
		}
	}
}
