package experiments

import (
	"fmt"
	"sync"
	"time"

	"fx/internal/progress"
)

// watch adds the run and the remaining time of all runs to each stage's name and to each note.
type watch struct {
	progress.Reporter
	estimates []float64 // seconds of each run to execute, from the trial
	runs      int       // selected ones, including those that are finished
	now       func() time.Time

	mu        sync.Mutex
	current   int // index into estimates
	label     string
	began     time.Time // of the current run
	took      float64   // seconds of the runs that ended
	estimated float64   // estimated seconds of the same runs
}

func newWatch(report progress.Reporter, estimates []float64, runs int) *watch {
	return &watch{Reporter: report, estimates: estimates, runs: runs, now: time.Now}
}

// begin notes that a run begins. index is that of its estimate, number its place in the matrix.
func (w *watch) begin(index, number int, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current, w.began = index, w.now()
	w.label = fmt.Sprintf("%d/%d %s", number, w.runs, name)
}

// end notes that the run ended.
func (w *watch) end(index int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took += w.now().Sub(w.began).Seconds()
	w.estimated += w.estimates[index]
	w.current, w.began = index+1, w.now()
}

// left returns the remaining time of all runs: the estimates, scaled by how wrong they were so far. A tenth of all
// estimated time counts as right, so that the first, short runs do not determine the scale alone.
func (w *watch) left() time.Duration {
	trusted := 0.0
	for _, estimate := range w.estimates {
		trusted += estimate / 10
	}
	off := 1.0
	if trusted > 0 {
		off = (w.took + trusted) / (w.estimated + trusted)
	}
	seconds := 0.0
	for i := w.current; i < len(w.estimates); i++ {
		seconds += off * w.estimates[i]
	}
	if w.current < len(w.estimates) {
		seconds -= min(w.now().Sub(w.began).Seconds(), off*w.estimates[w.current])
	}
	return time.Duration(seconds * float64(time.Second))
}

// Begin is that of progress.Reporter.
func (w *watch) Begin(stage string, total int64, unit string) progress.Task {
	return w.Reporter.Begin(w.prefix()+stage, total, unit)
}

// Note is that of progress.Reporter.
func (w *watch) Note(line string) { w.Reporter.Note(w.prefix() + line) }

func (w *watch) prefix() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%s (%s left): ", w.label, Rough(w.left()))
}

// Rough returns an estimated time as text, rounded.
func Rough(d time.Duration) string {
	switch {
	case d < 5*time.Second:
		return "seconds"
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(5*time.Second).Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
