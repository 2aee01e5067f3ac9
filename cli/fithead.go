package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/metrics"
	"fx/internal/progress"
	settings "fx/internal/training"
)

func fitHeadCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "fit-head",
		Usage: "train a classifier on cached embeddings, in seconds",
		Description: "The defaults are those of PyTorch's tutorial: SGD with torch's semantics, keeping the best val " +
			"epoch.\n" +
			"--solver lbfgs finds the optimum of the regularized loss.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "features", Required: true, Usage: "`STORE` of fx extract"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`MODEL` folder to write"}, forceFlag(),
		}, settingFlags(settings.Fields(settings.Head), settings.Head)...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			given, err := headSettings(c)
			if err != nil {
				return err
			}
			options := classify.FitOptions{
				Settings: given, Features: c.String("features"), Out: c.String("out"), Force: c.Bool("force"),
			}
			watch := out.progress()
			result, err := classify.Fit(c.Context, options, epochNotes(watch, given.Solver), watch)
			if err != nil {
				return err
			}
			return out.result(result, func(w io.Writer) {
				fmt.Fprintf(w, "best val accuracy %.4f in epoch %d of %d; "+
					"%d parameters trained on %d photos in %.1f s, evaluated on %d (%s)\n",
					result.BestValAccuracy, result.BestEpoch, len(result.Epochs),
					result.ParametersTrained, result.TrainPhotos, result.Seconds, result.ValPhotos, result.ValSplit)
				printNotes(w, result.Notes)
				fmt.Fprintf(w, "model: %s\n", result.Model)
			})
		},
	}
}

// epochNotes reports each epoch as the tutorial does, and every tenth of L-BFGS, whose iterations are many and short.
func epochNotes(report progress.Reporter, solver string) func(metrics.Epoch) {
	return func(e metrics.Epoch) {
		if solver == settings.LBFGS && e.Epoch%10 != 0 {
			return
		}
		report.Note(fmt.Sprintf("epoch %d: train loss %.4f acc %.4f, val loss %.4f acc %.4f", e.Epoch, e.TrainLoss,
			e.TrainAccuracy, e.ValLoss, e.ValAccuracy))
	}
}

func printNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
