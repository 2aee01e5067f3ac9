// Headfit times the fitting of a head on cached features and evaluates the head; peers/
// does the same with scikit-learn and torch:
//
//	headfit make --rows N --features D --classes K --seed S --out DIR
//	headfit fit --solver lbfgs|sgd --data DIR [--tolerance T] [--batch-size B --epochs E] --json
//	python peers/sklearn_fit.py --data DIR [--dtype float32|float64] [--tolerance T] --json
//	python peers/torch_sgd.py --data DIR --batch-size B --epochs E --json
//
// make draws features like those of a network with average pooling: clusters
// with a decaying spectrum, correlated, none below zero. It writes x.npy
// (float32 [N, D]), y.npy (int64 [N]), and val_x.npy and val_y.npy with a
// twentieth as many rows.
//
// The others print one JSON document: seconds of the fit alone, iterations,
// evaluations, the peak memory of the process in bytes; and of the resulting head,
// in float64, the objective (mean cross entropy + L2/2·Σ weight²), its
// largest absolute derivative, and the accuracy on the rows of val. The L2 of
// all is 1/N, scikit-learn's C of 1 (of two classes, C of 2). L-BFGS stops where
// no derivative is above --tolerance, scikit-learn's tol: both divide the
// loss by N. Equal gradients are not equal objectives: fx, which preconditions,
// comes to small derivatives before the objective is as low as scikit-learn's at the
// same tolerance, so that objectives must be compared too (with many classes fx's
// at 2e-5 is below scikit-learn's at 1e-4). Every program uses the threads that
// GOMAXPROCS or OMP_NUM_THREADS allow, else all processors.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"fx/bench/internal/program"
	"fx/internal/fail"
)

func main() { program.Main("headfit", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "make":
		return makeCommand(ctx, args, stdout, stderr)
	case "fit":
		return fitCommand(ctx, args, stdout, stderr)
	}
	return fail.New(fail.Usage, "The commands are make and fit; each has --help.", "unknown command %q", name)
}

func makeCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o makeOptions
	flags := newFlags("headfit make", stderr)
	flags.IntVar(&o.rows, "rows", 400, "training `ROWS`")
	flags.IntVar(&o.features, "features", 512, "values of a row")
	flags.IntVar(&o.classes, "classes", 2, "classes")
	flags.Uint64Var(&o.seed, "seed", 0, "of all that is drawn")
	flags.StringVar(&o.out, "out", "", "`FOLDER` to write")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	if err := makeData(ctx, o); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "%d × %d features of %d classes are in %s\n", o.rows, o.features, o.classes, o.out)
	return err
}

func fitCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o fitOptions
	var asJSON bool
	flags := newFlags("headfit fit", stderr)
	flags.StringVar(&o.solver, "solver", "lbfgs", "lbfgs or sgd")
	flags.StringVar(&o.data, "data", "", "`FOLDER` that headfit make wrote")
	flags.Float64Var(&o.tolerance, "tolerance", 1e-4, "lbfgs: the largest absolute derivative to stop at")
	flags.IntVar(&o.batch, "batch-size", 8, "sgd: rows a step")
	flags.IntVar(&o.epochs, "epochs", 5, "sgd: passes over the rows")
	flags.IntVar(&o.repeats, "repeats", 1, "how often to fit; the seconds are the median's")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	m, err := fit(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(stdout).Encode(m)
	}
	_, err = fmt.Fprintf(stdout,
		"%.3f s, %d iterations, %d evaluations; objective %.9f, largest derivative %.2g, val accuracy %.4f; %.0f MB\n",
		m.Seconds, m.Iterations, m.Evaluations, m.Objective, m.GradientMax, m.ValAccuracy, float64(m.PeakRSSBytes)/1e6)
	return err
}

func newFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}
