package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fx/internal/printable"
	"fx/internal/progress"
)

// plainInterval is the time between two plain lines of one stage.
const plainInterval = 5 * time.Second

// newReporter draws bars where w is a terminal and writes plain lines where it is not.
func newReporter(w io.Writer) progress.Reporter {
	f, ok := w.(*os.File)
	return &reporter{w: w, bars: ok && term.IsTerminal(int(f.Fd()))}
}

type reporter struct {
	w    io.Writer
	bars bool
	mu   sync.Mutex
	bar  *barTask // the bar on the screen, if any
}

func (r *reporter) Note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bar != nil {
		_ = r.bar.bar.Clear() // drawing may fail; the job must not
	}
	fmt.Fprintln(r.w, "fx: "+printable.Message(line))
}

func (r *reporter) Begin(stage string, total int64, unit string) progress.Task {
	stage = printable.Name(stage)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.bars {
		return &lineTask{reporter: r, stage: stage, unit: unit, total: total, start: time.Now(), told: time.Now()}
	}
	size := total
	if size <= 0 {
		size = -1
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(r.w),
		progressbar.OptionSetDescription(stage),
		progressbar.OptionSetItsString(unit),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionSetWidth(30),
	}
	if unit == "bytes" {
		options = append(options, progressbar.OptionShowBytes(true))
	}
	t := &barTask{reporter: r, bar: progressbar.NewOptions64(size, options...)}
	r.bar = t
	return t
}

type barTask struct {
	reporter *reporter
	bar      *progressbar.ProgressBar
}

func (t *barTask) Add(n int64) {
	t.reporter.mu.Lock()
	defer t.reporter.mu.Unlock()
	_ = t.bar.Add64(n) // drawing may fail; the job must not
}

func (t *barTask) End() {
	t.reporter.mu.Lock()
	defer t.reporter.mu.Unlock()
	_ = t.bar.Exit()
	fmt.Fprintln(t.reporter.w)
	if t.reporter.bar == t {
		t.reporter.bar = nil
	}
}

// lineTask tells its progress in lines that a log can hold.
type lineTask struct {
	reporter    *reporter
	stage, unit string
	total, done int64
	start, told time.Time
}

func (t *lineTask) Add(n int64) {
	t.reporter.mu.Lock()
	defer t.reporter.mu.Unlock()
	t.done += n
	if now := time.Now(); now.Sub(t.told) >= plainInterval {
		t.told = now
		t.tell(now, "")
	}
}

func (t *lineTask) End() {
	t.reporter.mu.Lock()
	defer t.reporter.mu.Unlock()
	switch {
	case t.done == 0:
	case t.total > 0 && t.done < t.total:
		t.tell(time.Now(), ", stopped")
	default:
		t.tell(time.Now(), ", done")
	}
}

func (t *lineTask) tell(now time.Time, tail string) {
	elapsed := now.Sub(t.start).Seconds()
	line := fmt.Sprintf("fx: %s: %s", t.stage, t.amount(t.done))
	if t.total > 0 {
		line = fmt.Sprintf("fx: %s: %s of %s", t.stage, t.amount(t.done), t.amount(t.total))
	}
	if rate := float64(t.done) / elapsed; elapsed > 0.05 {
		line += fmt.Sprintf(", %s/s", t.rate(rate))
		if t.total > t.done && rate > 0 && tail == "" {
			line += fmt.Sprintf(", %s left",
				time.Duration(float64(t.total-t.done)/rate*float64(time.Second)).Round(time.Second))
		}
	}
	fmt.Fprintln(t.reporter.w, line+tail)
}

// rate keeps a digit of what takes seconds each.
func (t *lineTask) rate(each float64) string {
	if t.unit != "bytes" && each < 10 {
		return fmt.Sprintf("%.1f %s", each, t.unit)
	}
	return t.amount(int64(each))
}

func (t *lineTask) amount(n int64) string {
	if t.unit == "bytes" {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d %s", n, t.unit)
}
