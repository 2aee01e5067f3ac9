package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"fx/bench/internal/command"
	"fx/bench/internal/stats"
)

// headSize is a problem size of the section on heads.
type headSize struct {
	rows, features, classes int
	large                   bool   // a fit takes minutes
	repeats                 int    // fits in one process, of which the median counts
	batch, epochs           int    // of SGD
	bound                   string // the largest absolute derivative at which scikit-learn's L-BFGS stops
}

func (s headSize) String() string {
	return fmt.Sprintf("%s × %s × %s", count(s.rows), count(s.features), count(s.classes))
}

// The sizes: the tutorial's own, one of a usual data set, one like ImageNet's.
var headSizes = []headSize{
	{400, 512, 2, false, 5, 8, 15, fxBound},
	{20_000, 2048, 100, false, 1, 64, 5, fxBound},
	{50_000, 2048, 1000, true, 1, 64, 1, sklearnDefault},
}

var sklearnSide = side{"scikit-learn", "scikit-learn"}

// fxBound is the largest absolute derivative at which fx's L-BFGS stops. scikit-learn's default is ten times looser
// and is kept at the largest size, which takes minutes even so.
const (
	fxBound        = "1e-5"
	sklearnDefault = "1e-4"
)

func headComparisons(w *environment) []comparison {
	var all []comparison
	for i, size := range headSizes {
		rounds := w.rounds
		if size.large {
			rounds = w.roundsLarge
		}
		bound := []string{"--tolerance", size.bound}
		repeats := []string{"--repeats", strconv.Itoa(size.repeats)}
		sgd := append([]string{"--batch-size", strconv.Itoa(size.batch), "--epochs", strconv.Itoa(size.epochs)},
			repeats...)
		all = append(all,
			w.headComparison(fmt.Sprintf("%d-lbfgs", i+1), size, "lbfgs", "L-BFGS", sklearnSide, "sklearn_fit.py",
				repeats, bound, rounds),
			w.headComparison(fmt.Sprintf("%d-sgd", i+1), size, "sgd",
				fmt.Sprintf("SGD, batch %d, %d epochs", size.batch, size.epochs), torchSide, "torch_sgd.py", sgd, nil,
				rounds),
		)
	}
	all[len(all)-1].cleanup = func() error { return w.clear("heads") }
	return all
}

// headComparison returns the comparison of fx's solver and a peer's script on the same rows.
func (w *environment) headComparison(name string, size headSize, solver, title string, peer side, script string,
	arguments, peerArguments []string, rounds int) comparison {
	return comparison{
		section: "heads", name: name, title: size.String() + ", " + title, sides: []side{fxSide, peer}, rounds: rounds,
		prepare: func(ctx context.Context, o *outcome) (map[string]job, error) {
			program, err := w.goProgram(ctx, "headfit", "bench", "headfit")
			if err != nil {
				return nil, err
			}
			data, err := w.headData(ctx, program, size)
			if err != nil {
				return nil, err
			}
			common := append([]string{"--data", data, "--json"}, arguments...)
			fx := append([]string{program, "fit", "--solver", solver}, common...)
			if solver == "lbfgs" {
				fx = append(fx, "--tolerance", fxBound)
			}
			return map[string]job{
				"fx": {commands: always(fx)},
				peer.name: {commands: always(slices.Concat([]string{w.python,
					filepath.Join("bench", "headfit", "peers", script)}, common, peerArguments))},
			}, nil
		},
	}
}

// headData draws rows to fit, once.
func (w *environment) headData(ctx context.Context, program string, size headSize) (string, error) {
	dir, err := w.scratch("heads", fmt.Sprintf("%dx%dx%d", size.rows, size.features, size.classes))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	w.log("drawing %s features", size)
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if _, err := command.Output(ctx, program, "make", "--rows", strconv.Itoa(size.rows), "--features",
		strconv.Itoa(size.features), "--classes", strconv.Itoa(size.classes), "--seed", "0", "--out",
		partial); err != nil {
		return "", err
	}
	return dir, os.Rename(partial, dir)
}

// objective is the regularised mean loss, computed in float64 from the parameters.
var objective = printed("objective")

// worseLoss is the largest allowed excess of fx's loss over scikit-learn's, relative to it: a small gradient does not
// prove a low loss, and a fit that stops early is not a faster fit.
const worseLoss = 0.001

func headTarget(o *outcome) target {
	peer := &o.Sides[len(o.Sides)-1]
	a := atLeast("head of "+o.Title+", beside "+peer.Title, rival{of: seconds}.ratios(o, fxSide.name, peer.Name), 1)
	ours, theirs := inRounds(o.side("fx").values(objective)), inRounds(peer.values(objective))
	if peer.Name == sklearnSide.name && len(ours) > 0 && len(theirs) > 0 {
		if x, y := stats.Median(ours), stats.Median(theirs); x > y*(1+worseLoss) {
			a.met, a.measured = false, fmt.Sprintf("%s, but to a loss of %.4g, where %s comes to %.4g", a.measured, x,
				peer.Title, y)
		}
	}
	return a
}
