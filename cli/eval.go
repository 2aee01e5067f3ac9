package cli

import (
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/printable"
)

func evalCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "eval",
		Usage: "evaluate a model on a store or on labelled photos",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "model", Required: true, Usage: "`MODEL` folder"},
			&urfave.StringFlag{Name: "features", Usage: "`STORE` of embeddings to evaluate on"},
			&urfave.StringFlag{Name: "data", Usage: "`DIR` of labelled photos to evaluate on"},
			&urfave.StringFlag{Name: "split", Usage: "split to evaluate on (default: the one used in training)"},
			&urfave.StringFlag{Name: "weights", Usage: "`FILE` of the backbone's weights, if it was moved"},
		}, append(photoFlags(), deviceFlags()...)...),
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

func evaluate(c *urfave.Context, out *output) (classify.Evaluation, error) {
	features, data := c.String("features"), c.String("data")
	switch {
	case features != "" && data != "":
		return classify.Evaluation{}, fail.New(fail.Usage, "Give the one or the other.",
			"fx eval takes --features or --data, not both")
	case features == "" && data == "":
		return classify.Evaluation{}, fail.New(fail.Usage, "Give the one or the other.",
			"fx eval needs --features STORE or --data DIR")
	case features != "":
		return classify.EvaluateStore(c.Context, c.String("model"), features, c.String("split"))
	}
	options, err := modelOptions(c)
	if err != nil {
		return classify.Evaluation{}, err
	}
	return classify.EvaluateData(c.Context, options, data, c.String("split"), out.progress())
}

// modelOptions reads --model, --weights, deviceFlags and photoFlags.
func modelOptions(c *urfave.Context) (classify.Options, error) {
	embedder, err := embedderOptions(c)
	return classify.Options{
		Model: c.String("model"), Embedder: embedder, Photos: photoOptions(c),
	}, err
}

// predictedAs counts the photos taken for a class.
func predictedAs(confusion [][]int, class int) int {
	n := 0
	for _, row := range confusion {
		n += row[class]
	}
	return n
}

// none stands for a ratio of nothing.
const none = "–"

// ratios are a class's precision, recall and F1 as text. A class without photos
// has none; precision needs photos that were taken for the class.
func ratios(c metrics.Class, predicted int) (precision, recall, f1 string) {
	if c.Support == 0 {
		return none, none, none
	}
	precision = none
	if predicted > 0 {
		precision = fmt.Sprintf("%.4f", c.Precision)
	}
	return precision, fmt.Sprintf("%.4f", c.Recall), fmt.Sprintf("%.4f", c.F1)
}

func printReport(w io.Writer, r classify.Evaluation) {
	split := r.Split
	if split == "" {
		split = "all"
	}
	fmt.Fprintf(w, "accuracy %.4f, loss %.4f on %d photos (%s)\n\n", r.Accuracy, r.Loss, r.Photos,
		printable.Name(split))
	width, names := 9, make([]string, len(r.Classes))
	for i, c := range r.Classes {
		names[i] = printable.Name(c.Name)
		width = max(width, len(names[i]))
	}
	fmt.Fprintf(w, "%-*s  precision  recall      f1  photos\n", width, "class")
	for i, c := range r.Classes {
		precision, recall, f1 := ratios(c, predictedAs(r.Confusion, i))
		fmt.Fprintf(w, "%-*s  %9s  %6s  %6s  %6d\n", width, names[i], precision, recall, f1, c.Support)
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
			fmt.Fprintf(w, "  %.4f %s, is %s: %s\n", m.Probability, printable.Name(m.Predicted),
				printable.Name(m.Class), printable.Name(m.Path))
		}
	}
	if len(r.Rejected)+len(r.Skipped) > 0 {
		fmt.Fprintln(w)
		printLeftOut(w, "", r.Rejected, r.Skipped)
		fmt.Fprintf(w, "%d photos rejected, %d files skipped\n", len(r.Rejected), len(r.Skipped))
	}
	printNotes(w, r.Notes)
}
