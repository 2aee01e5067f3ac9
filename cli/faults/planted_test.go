//go:build planted && linux

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlantedFaults puts one fault after the other into the code and demands that a
// test fails which passes without it. The files stay as they are: go builds with
// the changed one in the place of the other (-overlay).
func TestPlantedFaults(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sound := map[string]outcome{} // of tests without a fault, by package and name
	for _, p := range plants {
		t.Run(strings.ReplaceAll(p.name, " ", "_"), func(t *testing.T) {
			key := p.pkg + " " + p.test
			before, known := sound[key]
			if !known {
				before = p.run(t, root)
				sound[key] = before
			}
			switch {
			case before.skipped > 0 && len(before.failed) == 0:
				t.Skipf("%s is skipped here:\n%s", p.test, before.output)
			case !before.passes():
				t.Fatalf("%s does not pass without the fault:\n%s", p.test, before.output)
			}
			after := p.run(t, root, "-overlay", p.overlay(t, root))
			switch {
			case after.passes():
				t.Errorf("%s passes with the fault:\n%s", p.test, after.output)
			case after.timedOut || len(after.failed) == 0:
				t.Errorf("%s does not fail by its own word:\n%s", p.test, after.output)
			default:
				t.Logf("red: %s %s", p.pkg, strings.Join(after.failed, ", "))
			}
		})
	}
}

// overlay writes the changed file, and returns the file that tells go to take it.
func (p plant) overlay(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(p.file))
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, filepath.Base(path)), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, p.plantInto(t, root), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o644); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// An outcome is what a run of a test came to.
type outcome struct {
	passed, skipped int
	failed          []string // tests and subtests; none after an error of the compiler
	timedOut        bool
	output          string
}

func (o outcome) passes() bool { return o.passed > 0 && len(o.failed) == 0 && o.skipped == 0 }

// run runs the test of p. Vet is off: an odd-looking fault is no less of a fault.
func (p plant) run(t *testing.T, root string, flags ...string) outcome {
	t.Helper()
	var names []string
	for name := range strings.SplitSeq(p.test, "/") {
		names = append(names, "^("+name+")$")
	}
	arguments := []string{"test", "-json", "-count=1", "-vet=off", "-timeout=3m", "-run", strings.Join(names, "/")}
	arguments = append(arguments, flags...)
	c := exec.CommandContext(t.Context(), "go", append(arguments, "./"+p.pkg)...)
	c.Dir = root
	text, err := c.CombinedOutput()
	o, readErr := readOutcome(text)
	if readErr != nil {
		t.Fatalf("%v: %v\n%s", c.Args, readErr, text)
	}
	if err == nil && len(o.failed) > 0 {
		t.Fatalf("%v ends well though %v failed\n%s", c.Args, o.failed, o.output)
	}
	return o
}

// readOutcome reads what go test -json wrote, and what go itself wrote between.
func readOutcome(text []byte) (outcome, error) {
	var o outcome
	var said strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Action, Test, Output string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(&said, lines.Text())
			continue
		}
		said.WriteString(e.Output)
		o.timedOut = o.timedOut || strings.HasPrefix(e.Output, "panic: test timed out")
		switch {
		case e.Test == "":
		case e.Action == "pass":
			o.passed++
		case e.Action == "skip":
			o.skipped++
		case e.Action == "fail":
			o.failed = append(o.failed, e.Test)
		}
	}
	o.output = said.String()
	return o, lines.Err()
}
