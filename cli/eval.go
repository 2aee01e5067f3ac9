package cli

import (
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/printable"
)

func evalCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "eval",
		Usage: "judge a model by a store or by labelled photos",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "model", Required: true, Usage: "`MODEL` folder"},
			&urfave.StringFlag{Name: "features", Usage: "`STORE` of embeddings to judge by"},
			&urfave.StringFlag{Name: "data", Usage: "`DIR` of labelled photos to judge by"},
			&urfave.StringFlag{Name: "split", Usage: "which split (default: the one that training judged by)"},
			&urfave.StringFlag{Name: "weights", Usage: "where the backbone's weights `FILE` lies now"},
		}, deviceFlags()...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			r, err := evaluate(c, out)
			if err != nil {
				return err
			}
			return out.result(r, func(w io.Writer) { printReport(w, r) })
		},
	}
}

func evaluate(c *urfave.Context, out *output) (classify.Report, error) {
	features, data := c.String("features"), c.String("data")
	switch {
	case (features == "") == (data == ""):
		return classify.Report{}, fail.New(fail.Usage, "Give the one or the other.", "fx eval needs --features STORE or --data DIR")
	case features != "":
		return classify.EvaluateStore(c.Context, c.String("model"), features, c.String("split"))
	}
	options, err := modelOptions(c)
	if err != nil {
		return classify.Report{}, err
	}
	return classify.EvaluateData(c.Context, options, data, c.String("split"), out.progress())
}

// modelOptions reads --model, --weights and deviceFlags.
func modelOptions(c *urfave.Context) (classify.Options, error) {
	embedder, err := embedderOptions(c)
	return classify.Options{Model: c.String("model"), Embedder: embedder, Decoder: c.String("decoder")}, err
}

func printReport(w io.Writer, r classify.Report) {
	split := r.Split
	if split == "" {
		split = "all"
	}
	fmt.Fprintf(w, "accuracy %.4f, loss %.4f on %d photos (%s)\n\n", r.Accuracy, r.Loss, r.Photos, printable.Name(split))
	width, names := 9, make([]string, len(r.Classes))
	for i, c := range r.Classes {
		names[i] = printable.Name(c.Name)
		width = max(width, len(names[i]))
	}
	fmt.Fprintf(w, "%-*s  precision  recall      f1  photos\n", width, "class")
	for i, c := range r.Classes {
		fmt.Fprintf(w, "%-*s  %9.4f  %6.4f  %6.4f  %6d\n", width, names[i], c.Precision, c.Recall, c.F1, c.Support)
	}
	if len(r.Classes) <= 20 { // wider tables are for --json and the picture
		fmt.Fprintf(w, "\n%-*s  predicted\n", width, "true")
		for i, row := range r.Confusion {
			fmt.Fprintf(w, "%-*s %s\n", width, names[i], strings.Trim(fmt.Sprintf("%6d", row), "[]"))
		}
	}
	if len(r.Mistakes) > 0 {
		fmt.Fprintln(w, "\nmost confident mistakes")
		for _, m := range r.Mistakes {
			fmt.Fprintf(w, "  %.4f %s, is %s: %s\n", m.Probability, printable.Name(m.Predicted), printable.Name(m.Class), printable.Name(m.Path))
		}
	}
	for _, bad := range r.Rejected {
		fmt.Fprintf(w, "rejected %s: %s\n", printable.Name(bad.Path), printable.Name(bad.Reason))
	}
	printNotes(w, r.Notes)
}
