package rangetest

import (
	"context"
	"fmt"
	"math"

	"fx/internal/fail"
)

// Options of a test. Zero values are not defaults: start from Defaults.
type Options struct {
	MinLR, MaxLR float64 // of the first and the last step
	Steps        int
	// Repeats is how many trainings are run; a rate is evaluated by the mean of their losses. The loss of one small
	// batch depends more on its photos than on the rate.
	Repeats int
}

// Defaults returns options of a hundred steps over six powers of ten, once.
func Defaults() Options { return Options{MinLR: 1e-6, MaxLR: 1, Steps: 100, Repeats: 1} }

const (
	// memory is the weight of past losses in the moving average.
	memory = 0.9
	// diverged is the largest ratio of the averaged loss to its minimum.
	diverged = 4
	// unsettled is the share of the first steps whose average is of few losses: no minimum or slope is taken there.
	unsettled = 0.1
	// reach is how many powers of ten a slope covers on either side.
	reach = 0.5
	// fewest is the smallest number of steps from which a slope can be estimated.
	fewest = 20
)

// Check returns an error of kind fail.Usage if o allows no test.
func (o Options) Check() error {
	switch {
	case !(o.MinLR > 0) || !(o.MaxLR > o.MinLR) || math.IsInf(o.MaxLR, 0):
		return fail.New(fail.Usage, "Give rates above 0, such as --min-lr 1e-6 --max-lr 1.",
			"a range test from %g to %g", o.MinLR, o.MaxLR)
	case o.Steps < fewest:
		return fail.New(fail.Usage, fmt.Sprintf("Give at least %d.", fewest), "a range test of %d steps", o.Steps)
	case o.Repeats < 1:
		return fail.New(fail.Usage, "Give at least 1.", "a range test of %d repeats", o.Repeats)
	}
	return nil
}

// Rate returns the learning rate of step i, from 0. It rises by the same factor each step.
func (o Options) Rate(i int) float64 {
	return o.MinLR * math.Pow(o.MaxLR/o.MinLR, float64(i)/float64(o.Steps-1))
}

// settled returns the first step, from 0, whose averaged loss counts.
func (o Options) settled() int { return int(unsettled * float64(o.Steps)) }

// Update does one update of a training at a rate and returns the loss before it.
type Update func(ctx context.Context, rate float64) (loss float64, err error)

// Step is one update of the test.
type Step struct {
	Step     int     `json:"step"` // from 1
	LR       float64 `json:"lr"`
	Loss     float64 `json:"loss"`     // before the update, mean over the repeats
	Smoothed float64 `json:"smoothed"` // exponential moving average of Loss, its bias corrected
}

// Result is what the test found.
type Result struct {
	Steps   []Step `json:"steps"`
	Repeats int    `json:"repeats"`
	// Suggestion is the rate at which the smoothed loss falls most steeply over the logarithm of the rate, before its
	// minimum; 0 if it never falls.
	Suggestion float64 `json:"suggestion"`
	// LowestLR is the rate with the least smoothed loss. A tenth of it is another
	// common rule.
	LowestLR        float64 `json:"lowest_lr"`
	TenthOfLowestLR float64 `json:"tenth_of_lowest_lr"`
	Stopped         string  `json:"stopped"` // why the test ended before its last step, or ""
}

// Rule describes the suggestion for people.
const Rule = "where the smoothed loss falls most steeply: Smith's range test, by fastai's rule \"steep\""

// Run runs the test. begin starts a training; its repeat counts from 0. A repeat ends if its loss is not finite, or
// its smoothed loss exceeds four times its minimum; the curve ends with the first repeat that ends. Errors of begin
// and of its Update end the test and are returned, as is ctx's.
func Run(ctx context.Context, o Options, begin func(ctx context.Context, repeat int) (Update, error)) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	r := Result{Repeats: o.Repeats}
	mean := make([]float64, o.Steps)
	for repeat := range o.Repeats {
		update, err := begin(ctx, repeat)
		if err != nil {
			return Result{}, err
		}
		losses, stopped, err := o.repeat(ctx, len(mean), update)
		if err != nil {
			return Result{}, err
		}
		if stopped != "" {
			r.Stopped = stopped
		}
		mean = mean[:len(losses)]
		for i, loss := range losses {
			mean[i] += loss / float64(o.Repeats)
		}
	}
	var s movingAverage
	r.Steps = make([]Step, len(mean))
	for i, loss := range mean {
		r.Steps[i] = Step{Step: i + 1, LR: o.Rate(i), Loss: loss, Smoothed: s.add(loss)}
	}
	r.suggest(o)
	return r, nil
}

// repeat runs one training of at most steps steps. It returns its losses, and why it stopped early, if it did.
func (o Options) repeat(ctx context.Context, steps int, update Update) (losses []float64, stopped string, err error) {
	var s movingAverage
	lowest := math.Inf(1)
	for i := range steps {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		rate := o.Rate(i)
		loss, err := update(ctx, rate)
		if err != nil {
			return nil, "", err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return losses, fmt.Sprintf("the loss is %g in step %d, at a rate of %.2g", loss, i+1, rate), nil
		}
		losses = append(losses, loss)
		smoothed := s.add(loss)
		if i < o.settled() {
			continue
		}
		if lowest = min(lowest, smoothed); smoothed > diverged*lowest {
			return losses, fmt.Sprintf("the smoothed loss is more than %d times its minimum in step %d, at a rate of "+
				"%.2g", diverged, i+1, rate), nil
		}
	}
	return losses, "", nil
}

// movingAverage is an exponential moving average from 0 whose bias is corrected. Source: Kingma and Ba, "Adam" (arXiv
// 1412.6980), section 3.
type movingAverage struct{ sum, weight float64 }

func (s *movingAverage) add(v float64) float64 {
	s.sum, s.weight = memory*s.sum+(1-memory)*v, memory*s.weight+(1-memory)
	return s.sum / s.weight
}

// suggest sets the lowest and the steepest point of the curve.
func (r *Result) suggest(o Options) {
	first := o.settled()
	if first >= len(r.Steps) {
		return
	}
	lowest := first
	for i := first; i < len(r.Steps); i++ {
		if r.Steps[i].Smoothed < r.Steps[lowest].Smoothed {
			lowest = i
		}
	}
	r.LowestLR, r.TenthOfLowestLR = r.Steps[lowest].LR, r.Steps[lowest].LR/10
	half := max(1, int(math.Round(reach*float64(o.Steps-1)/math.Log10(o.MaxLR/o.MinLR))))
	steepest := 0.0
	for from := first; from+half <= lowest; from++ { // a window that the minimum cuts off has at least half the width
		to := min(from+2*half, lowest)
		if s := slope(r.Steps[from : to+1]); s < steepest {
			steepest, r.Suggestion = s, r.Steps[(from+to)/2].LR
		}
	}
}

// slope returns the slope of the least-squares line through averaged losses, per step.
func slope(steps []Step) float64 {
	middle := float64(len(steps)-1) / 2
	var up, down float64
	for i, s := range steps {
		x := float64(i) - middle
		up += x * s.Smoothed
		down += x * x
	}
	return up / down
}
