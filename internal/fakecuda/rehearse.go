package fakecuda

import (
	"os"
	"os/exec"
	"testing"

	"fx/internal/testenv"
)

// child is set in the environment of the process that rehearses.
const child = "FX_FAKECUDA_CHILD"

// Rehearsing tells whether this process is the child of Rehearse: a test then does
// what it wants to see on the fakes, prints what its other branch needs to know,
// and returns.
func Rehearsing() bool { return os.Getenv(child) != "" }

// Rehearse runs the test again in a process that finds CUDA on the fakes, with
// further environment variables, and returns what it printed and what happened on
// the device. The test fails where the child does, and skips where there is no
// ONNX Runtime to rehearse with.
func Rehearse(t *testing.T, environment ...string) (string, []Event) {
	t.Helper()
	dir := t.TempDir()
	variables, ok, err := prepare(dir)
	if !ok && err == nil {
		testenv.Lacks(t, testenv.Rehearsal, "no ONNX Runtime with a CUDA provider to rehearse with: set %s", variable)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(append(append(os.Environ(), child+"=1"), variables...), environment...)
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	events, err := Events(dir)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), events
}

// Count returns how often something happened.
func Count(events []Event, what string) int {
	n := 0
	for _, e := range events {
		if e.What == what {
			n++
		}
	}
	return n
}
