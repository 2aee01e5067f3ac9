package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

// views is a second variant of fx: it caches random views of the training photos besides
// their centres, because the tutorial draws random views in each epoch. The section has
// no target for it; the accuracies show what it adds.
const views = 4

var fxViewsSide = side{"fx-views", fmt.Sprintf("fx, --views %d", views)}

func tutorialComparisons(w *environment) []comparison {
	c := comparison{
		section: "tutorial", name: "feature-extraction", title: "squeezenet1_1, feature " +
			"extraction", terms: fmt.Sprintf("%d epochs", w.epochs),
		sides: []side{fxSide, fxViewsSide, torchSide}, rounds: w.seeds,
		cleanup: func() error { return w.clear("tutorial") },
	}
	c.prepare = func(ctx context.Context, o *outcome) (map[string]job, error) {
		weights, trained, err := w.weights(ctx, "squeezenet1_1")
		if err != nil {
			return nil, err
		}
		if err := o.know("trained", trained); err != nil {
			return nil, err
		}
		run, err := w.scratch("tutorial", "run")
		if err != nil {
			return nil, err
		}
		fx := func(more ...string) job {
			return job{
				before: func() error { return os.RemoveAll(run) },
				commands: func(round int) [][]string {
					return w.tutorial(weights, run+"/store", run+"/model", round-1, more...)
				},
			}
		}
		torch := func(round int) [][]string {
			return [][]string{w.peer("torch_tutorial.py", "--data", w.photos.dir, "--weights", weights, "--epochs",
				strconv.Itoa(w.epochs), "--threads", strconv.Itoa(w.threads), "--seed", strconv.Itoa(round-1))}
		}
		return map[string]job{"fx": fx(), "fx-views": fx("--views", strconv.Itoa(views)),
			"torch": {commands: torch}}, nil
	}
	return []comparison{c}
}

// tutorial returns fx's two commands from photos to a head.
func (w *environment) tutorial(weights, store, model string, seed int, more ...string) [][]string {
	return [][]string{
		w.extract("squeezenet1_1", weights, w.photos.dir, store, append(more, "--seed", strconv.Itoa(seed))...),
		w.fxCommand("fit-head", "--features", store, "--out", model, "--epochs", strconv.Itoa(w.epochs), "--seed",
			strconv.Itoa(seed)),
	}
}

var bestAccuracy = printed("best_val_accuracy")

// lessAccurate is how far fx's mean val accuracy may be below PyTorch's, as in scripts/parity/finetuning.py: it varies
// that much between seeds.
const lessAccurate = 0.01

func tutorialTarget(o *outcome) target {
	a := atLeast("the tutorial, fx, beside PyTorch", rival{of: wall}.ratios(o, fxSide.name, torchSide.name), 40)
	ours, theirs := inRounds(o.side(fxSide.name).values(bestAccuracy)),
		inRounds(o.side(torchSide.name).values(bestAccuracy))
	if len(ours) > 1 && len(theirs) > 1 {
		difference, deviation := above(ours, theirs)
		a.measured += fmt.Sprintf(", val accuracy %+.4f ± %.4f", difference, deviation)
		a.met = a.met && difference >= -lessAccurate
	}
	return a
}
