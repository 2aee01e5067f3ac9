package cli

import (
	"fmt"
	"io"
	"path/filepath"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/report"
)

func demoCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "demo",
		Usage: "try fx: find photos, extract features, train and evaluate a head, draw a report",
		Description: "Photos: --data, FX_DATA_DIR, ./hymenoptera_data, fx's cache, the tutorial's ants and bees, or " +
			"else generated\n" +
			"pictures. Network: squeezenet1_1 if its weights are available, else a network with weights in a Python " +
			"package.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "out", Value: "fx-demo", Usage: "`DIR` for the results"}, forceFlag(),
			&urfave.StringFlag{Name: "data", Usage: "`DIR` of photos"},
			&urfave.StringFlag{Name: "backbone", Usage: "`NAME` of another network"},
			&urfave.StringFlag{Name: "weights", Usage: "weights `FILE`, or seed:N for random weights"},
			lockFlag(),
		}, deviceFlags()...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			watch := out.progress()
			d, err := classify.Demo(c.Context, classify.DemoOptions{
				Out: c.String("out"), Force: c.Bool("force"), Data: c.String("data"), Embedder: embedder,
			}, watch)
			if err != nil {
				return err
			}
			made, err := report.Write(c.Context, report.Options{
				Runs: []string{d.Model}, Out: filepath.Join(c.String("out"), "report.html"), Embedder: embedder,
				Force: c.Bool("force"),
			}, watch)
			if err != nil {
				return err
			}
			return out.result(demoResult{d, made.HTML}, func(w io.Writer) { printDemo(w, d, made.HTML) })
		},
	}
}

// demoResult is what --json prints.
type demoResult struct {
	classify.DemoResult
	HTML string `json:"html"`
}

func printDemo(w io.Writer, d classify.DemoResult, html string) {
	printReport(w, d.Eval)
	e := d.Extract
	fmt.Fprintf(w, "\nfeatures: %d photos, %d computed", e.Images, e.Computed)
	if e.Computed > 0 {
		fmt.Fprintf(w, " at %.0f images/s", e.ImagesPerSecond)
	}
	fmt.Fprintf(w, "; head trained in %.1f s; best val accuracy %.4f in epoch %d; %.1f s in all\n\n", d.FitSeconds,
		d.BestValAccuracy, d.BestEpoch, d.Seconds)
	for _, line := range [][2]string{
		{"photos", d.Photos.Dir + " (" + d.Photos.Origin + ")"},
		{"network", d.Backbone + ", weights " + d.Weights + " (" + d.WeightsOrigin + ")"},
		{"features", d.Store}, {"model", d.Model}, {"picture", d.Picture}, {"report", html},
	} {
		fmt.Fprintf(w, "%-9s %s\n", line[0], line[1])
	}
	printNotes(w, d.Notes)
	fmt.Fprintf(w, "\nnext: fx predict --model %s PHOTO...\n", d.Model)
}
