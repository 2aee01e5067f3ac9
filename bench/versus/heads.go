package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"fx/bench/internal/command"
)

// headSize is a problem of the section on heads.
type headSize struct {
	rows, features, classes int
	large                   bool // a fit takes minutes
	repeats                 int  // fits in one process, of which the median counts
	batch, epochs           int  // of SGD
}

func (s headSize) String() string {
	return fmt.Sprintf("%s × %s × %s", count(s.rows), count(s.features), count(s.classes))
}

// The sizes: the tutorial's own, one of a usual data set, one like ImageNet's.
var headSizes = []headSize{
	{400, 512, 2, false, 5, 8, 15},
	{20_000, 2048, 100, false, 1, 64, 5},
	{50_000, 2048, 1000, true, 1, 64, 1},
}

var sklearnSide = side{"scikit-learn", "scikit-learn"}

// fxTolerance is where fx's L-BFGS stops, the largest absolute derivative;
// scikit-learn's default is 1e-4. At that bound fx, which searches in other
// coordinates, stops sooner and at a higher loss: the one bound does not mean
// the same optimum.
const fxTolerance = "1e-5"

// headsPackage is the program that fits heads as fx does, beside its peers' scripts.
const headsPackage = "bench/headfit"

func headContests(w *workshop) []contest {
	var all []contest
	for i, size := range headSizes {
		rounds := w.rounds
		if size.large {
			rounds = w.roundsLarge
		}
		repeats := []string{"--repeats", strconv.Itoa(size.repeats)}
		sgd := append([]string{"--batch-size", strconv.Itoa(size.batch), "--epochs", strconv.Itoa(size.epochs)}, repeats...)
		all = append(all,
			w.headContest(fmt.Sprintf("%d-lbfgs", i+1), size, "lbfgs", "L-BFGS", sklearnSide, "sklearn_fit.py", repeats, rounds),
			w.headContest(fmt.Sprintf("%d-sgd", i+1), size, "sgd", fmt.Sprintf("SGD, batch %d, %d epochs", size.batch, size.epochs), torchSide, "torch_sgd.py", sgd, rounds),
		)
	}
	all[len(all)-1].cleanup = func() error { return w.clear("heads") }
	return all
}

// headContest has fx's solver and a peer's script fit the same rows.
func (w *workshop) headContest(name string, size headSize, solver, title string, peer side, script string, arguments []string, rounds int) contest {
	return contest{
		section: "heads", name: name, title: size.String() + ", " + title, sides: []side{fxSide, peer}, rounds: rounds,
		prepare: func(ctx context.Context, o *outcome) (map[string]job, error) {
			program, err := w.goProgram(ctx, "headfit", headsPackage)
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
				fx = append(fx, "--tolerance", fxTolerance)
			}
			return map[string]job{
				"fx":      {commands: always(fx)},
				peer.name: {commands: always(append([]string{w.python, filepath.Join(headsPackage, "peers", script)}, common...))},
			}, nil
		},
	}
}

// headData draws rows to fit, once.
func (w *workshop) headData(ctx context.Context, program string, size headSize) (string, error) {
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
	if _, err := command.Output(ctx, program, "make", "--rows", strconv.Itoa(size.rows), "--features", strconv.Itoa(size.features), "--classes", strconv.Itoa(size.classes), "--seed", "0", "--out", partial); err != nil {
		return "", err
	}
	return dir, os.Rename(partial, dir)
}
