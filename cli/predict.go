package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/printable"
)

func predictCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "predict",
		Usage:       "classify photos with a trained model",
		Description: "A file that can't be used is reported and the rest is done; the exit code is 3 where none could be used.",
		ArgsUsage:   "PATH...",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "model", Required: true, Usage: "`MODEL` folder"},
			&urfave.IntFlag{Name: "top", Value: 1, Usage: "how many classes to name for each photo"},
			&urfave.StringFlag{Name: "weights", Usage: "where the backbone's weights `FILE` lies now"},
		}, deviceFlags()...),
		Action: func(c *urfave.Context) error {
			options, err := modelOptions(c)
			if err != nil {
				return err
			}
			predictions, err := classify.Predict(c.Context, options, c.Args().Slice(), c.Int("top"), out.progress())
			if err != nil {
				return err
			}
			if len(predictions) > 0 && predictions[0].Note != "" {
				fmt.Fprintf(out.stderr, "fx: note: %s\n", printable.Message(predictions[0].Note))
			}
			used := 0
			for _, p := range predictions {
				if p.Err == "" {
					used++
				} else if !out.json {
					fmt.Fprintf(out.stderr, "fx: %s: %s\n", printable.Name(p.Path), printable.Message(p.Err))
				}
			}
			if err := out.result(predictions, func(w io.Writer) { printPredictions(w, predictions) }); err != nil {
				return err
			}
			if used == 0 {
				return fail.New(fail.Rejected, "The reasons are above.", "none of the %d photos can be used", len(predictions))
			}
			return nil
		},
	}
}

func printPredictions(w io.Writer, predictions []classify.Prediction) {
	for _, p := range predictions {
		if p.Err != "" {
			continue
		}
		fmt.Fprint(w, printable.Name(p.Path))
		for _, choice := range p.Top {
			fmt.Fprintf(w, "\t%s %.4f", printable.Name(choice.Class), choice.Probability)
		}
		fmt.Fprintln(w)
	}
}
