package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/head"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/progress"
)

func fitHeadCommand(out *output) *urfave.Command {
	d := head.Defaults()
	return &urfave.Command{
		Name:  "fit-head",
		Usage: "train a classifier on cached embeddings, in seconds",
		Description: "The defaults are those of PyTorch's tutorial: SGD with torch's semantics, and the best val epoch is\n" +
			"kept. --solver lbfgs finds the optimum of the regularised loss instead.",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "features", Required: true, Usage: "`STORE` that fx extract filled"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`MODEL` folder to write"}, forceFlag(),
			&urfave.StringFlag{Name: "solver", Value: string(d.Solver), Usage: "sgd or lbfgs"},
			&urfave.IntFlag{Name: "epochs", Value: d.Epochs, Usage: "sgd: passes over the training photos"},
			&urfave.IntFlag{Name: "batch-size", Value: d.BatchSize, Usage: "sgd: photos a step"},
			&urfave.Float64Flag{Name: "lr", Value: d.LR, Usage: "sgd: learning rate"},
			&urfave.Float64Flag{Name: "momentum", Value: d.Momentum, Usage: "sgd: momentum"},
			&urfave.Float64Flag{Name: "weight-decay", Usage: "sgd: added to the gradient, times the parameter"},
			&urfave.Float64Flag{Name: "l2", Usage: "lbfgs: strength λ of λ/2·Σw² beside the mean loss (default: 1/photos, scikit-learn's C = 1)"},
			&urfave.StringFlag{Name: "class-weights", Value: "none", Usage: "none, or auto: rare classes count more"},
			&urfave.Float64Flag{Name: "val-fraction", Usage: "judge by this share of the training photos, where there is no val split"},
			&urfave.StringFlag{Name: "train-split", Usage: "name of the split to learn from (default: train)"},
			&urfave.StringFlag{Name: "val-split", Usage: "name of the split to judge by (default: val)"},
			&urfave.Uint64Flag{Name: "seed", Usage: "of the initial parameters, the order of the photos and dropout"},
		},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if c.String("solver") == string(head.LBFGS) {
				for _, flag := range []string{"epochs", "batch-size", "lr", "momentum", "weight-decay"} {
					if c.IsSet(flag) {
						return fail.New(fail.Usage, "Leave it out: L-BFGS runs to the optimum. --l2 sets its penalty.", "--%s with --solver lbfgs", flag)
					}
				}
			}
			options := classify.FitOptions{
				Features: c.String("features"), Out: c.String("out"), Force: c.Bool("force"),
				TrainSplit: c.String("train-split"), ValSplit: c.String("val-split"), ValFraction: c.Float64("val-fraction"),
				ClassWeights: c.String("class-weights"), Versions: map[string]string{"fx": version()},
				Head: head.Options{
					Solver: head.Solver(c.String("solver")), Seed: c.Uint64("seed"), Epochs: c.Int("epochs"), BatchSize: c.Int("batch-size"),
					LR: c.Float64("lr"), Momentum: c.Float64("momentum"), WeightDecay: c.Float64("weight-decay"), L2: c.Float64("l2"),
				},
			}
			result, err := classify.Fit(c.Context, options, epochNotes(out.progress(), options.Head), out.progress())
			if err != nil {
				return err
			}
			return out.result(result, func(w io.Writer) {
				fmt.Fprintf(w, "best val accuracy %.4f in epoch %d of %d; %d parameters trained on %d photos in %.1f s, judged by %d (%s)\n",
					result.BestValAccuracy, result.BestEpoch, len(result.Epochs), result.ParametersTrained, result.TrainPhotos, result.Seconds,
					result.ValPhotos, result.ValSplit)
				printNotes(w, result.Notes)
				fmt.Fprintf(w, "model: %s\n", result.Model)
			})
		},
	}
}

// epochNotes tells each epoch in the tutorial's words. Of L-BFGS, whose
// iterations are many and short, every tenth.
func epochNotes(report progress.Reporter, o head.Options) func(metrics.Epoch) {
	return func(e metrics.Epoch) {
		if o.Solver == head.LBFGS && e.Epoch%10 != 0 {
			return
		}
		report.Note(fmt.Sprintf("epoch %d: train loss %.4f acc %.4f, val loss %.4f acc %.4f", e.Epoch, e.TrainLoss, e.TrainAccuracy, e.ValLoss, e.ValAccuracy))
	}
}

func printNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
