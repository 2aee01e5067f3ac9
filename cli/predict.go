package cli

import (
	"fmt"
	"io"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/printable"
)

func predictCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "predict",
		Usage:       "classify photos with a trained model",
		Description: "fx reports a file that can't be used and continues. If no file can be used, the exit code is 3.",
		ArgsUsage:   "PATH...",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "model", Required: true, Usage: "`MODEL` folder"},
			&urfave.IntFlag{Name: "top", Value: 1, Usage: "number of classes to show for each photo"},
			&urfave.StringFlag{Name: "weights", Usage: "`FILE` of the backbone's weights, if it was moved"},
		}, append(photoFlags(), deviceFlags()...)...),
		Action: func(c *urfave.Context) error {
			options, err := modelOptions(c)
			if err != nil {
				return err
			}
			found, err := classify.Predict(c.Context, options, c.Args().Slice(), c.Int("top"), out.progress())
			if err != nil {
				return err
			}
			predictions := found.Photos
			used := tellPredict(out, found)
			if err := out.result(predictions, func(w io.Writer) { printPredictions(w, predictions) }); err != nil {
				return err
			}
			if used == 0 {
				return fail.New(fail.Rejected, "The reasons are above.", "none of the %d photos can be used",
					len(predictions))
			}
			return nil
		},
	}
}

// tellPredict prints the notes and what was left out on stderr, because the result is only a list of photos. It
// returns how many photos could be used.
func tellPredict(out *output, found classify.Predictions) (used int) {
	if i := slices.IndexFunc(found.Photos, func(p classify.Prediction) bool { return p.Note != "" }); i >= 0 {
		fmt.Fprintf(out.stderr, "fx: note: %s\n", printable.Message(found.Photos[i].Note))
	}
	for _, note := range found.Notes {
		fmt.Fprintf(out.stderr, "fx: note: %s\n", printable.Message(note))
	}
	for _, p := range found.Photos {
		if p.Err == "" {
			used++
		} else if !out.json {
			fmt.Fprintf(out.stderr, "fx: %s: %s\n", printable.Name(p.Path), printable.Message(p.Err))
		}
	}
	printLeftOut(out.stderr, "fx: ", nil, found.Skipped)
	if rejected := len(found.Photos) - used; rejected+len(found.Skipped) > 0 {
		fmt.Fprintf(out.stderr, "fx: %d photos classified, %d rejected, %d files skipped\n", used, rejected,
			len(found.Skipped))
	}
	return used
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
