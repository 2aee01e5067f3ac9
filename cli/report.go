package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/report"
	"fx/report/page"
)

func reportCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:      "report",
		Usage:     "compare trainings in one HTML file, with pictures",
		ArgsUsage: "RUN...",
		Description: "A RUN is a MODEL of fx fit-head, a RUN of fx finetune or the folder of an experiment. The HTML " +
			"file needs no network\n" +
			"connection. The predictions for val photos are computed from the run's features. If there are none, as " +
			"for a\n" +
			"finetuned network, they are extracted once to RUN/report-features.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "out", Usage: "`FILE.html` to write; pictures are written beside it",
				DefaultText: "report.html in a single RUN, else fx-report.html"}, forceFlag(),
			&urfave.StringFlag{Name: "title", Usage: "title of the report"},
			&urfave.StringFlag{Name: "data", Usage: "`DIR` of the photos, if they were moved"},
		}, deviceFlags()...),
		Action: func(c *urfave.Context) error {
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			made, err := report.Write(c.Context, report.Options{
				Runs: c.Args().Slice(), Out: c.String("out"), Force: c.Bool("force"),
				Title: c.String("title"), Data: c.String("data"),
				Embedder: embedder,
			}, out.progress())
			if err != nil {
				return err
			}
			return out.result(made, func(w io.Writer) { printReportMade(w, made) })
		},
	}
}

// perSecond is a rate in a table; a head that learns from features has none.
func perSecond(images float64) string {
	if images == 0 {
		return none
	}
	return fmt.Sprintf("%.0f", images)
}

func printReportMade(w io.Writer, r report.Result) {
	network, training, weights := 7, 8, 7
	names := make([]string, len(r.Table))
	for i, row := range r.Table {
		names[i] = row.Training()
		network, training = max(network, len(row.Network)), max(training, len(names[i]))
		weights = max(weights, len(row.Weights))
	}
	fmt.Fprintf(w, "%-*s  %-*s  %-*s  runs  best val accuracy       time  images/s\n", network, "network", training,
		"training", weights, "weights")
	for i, row := range r.Table {
		accuracy := fmt.Sprintf("%.4f", row.BestValAccuracy)
		if row.Runs > 1 {
			accuracy += fmt.Sprintf(" ± %.4f", row.SD)
		}
		fmt.Fprintf(w, "%-*s  %-*s  %-*s  %4d  %-17s  %9s  %8s\n", network, row.Network, training, names[i],
			weights, row.Weights, row.Runs, accuracy, page.Duration(row.Seconds), perSecond(row.ImagesPerSecond))
		for _, of := range row.References {
			fmt.Fprintf(w, "%-*s  %-*s  %-*s        %.4f\n", network, "", training, "  "+of.Name, weights, of.Network,
				of.BestValAccuracy)
		}
	}
	fmt.Fprintln(w)
	printNotes(w, r.Notes)
	fmt.Fprintf(w, "report: %s (%.1f MB)\n", r.HTML, float64(r.Bytes)/1e6)
	for _, path := range r.Pictures {
		fmt.Fprintf(w, "picture: %s\n", path)
	}
}
