package experiments

import (
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
)

// Runs of every mode have the experiment's Environment.
func TestRunsHaveTheEnvironment(t *testing.T) {
	s := newScene(t, quick)
	o := s.options()
	o.Library = "none.so"
	e, err := Run(t.Context(), s.open(), o, progress.Discard)
	if fail.KindOf(err) != fail.Device {
		t.Fatalf("the error is of kind %d: %v", fail.KindOf(err), err)
	}
	for _, run := range e.Runs {
		if !strings.Contains(run.Error, "none.so") {
			t.Errorf("%s: %s", run.Name, run.Error)
		}
	}
	o.Workers = -1
	if _, err := DryRun(t.Context(), s.open(), o, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("-1 workers: %v", err)
	}
}
