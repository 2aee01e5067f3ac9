package cli

import (
	"fmt"
	"io"
	"os"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/internal/fail"
	"fx/report"
)

func quickstartCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "quickstart",
		Usage: "make a classifier from your photos, and report how good it is",
		Description: "DIR contains one folder of photos for each class, directly or below train/ and val/. After " +
			"adding photos, or after\n" +
			"Ctrl+C, run the command again: it computes only what is missing.\n\n" +
			"--backbone auto, small and best take the first of these networks whose weights can be had:\n" +
			classify.QuickstartChoices(),
		ArgsUsage: "DIR",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "out",
				Usage: "`DIR` for the results (default: the photos' folder with -fx added)"}, forceFlag(),
			&urfave.StringFlag{Name: "backbone",
				Usage:       "`NAME` of a network, an ONNX file, or auto, small or best (see above)",
				DefaultText: "the network of the features in --out, else auto"},
			fastDecodeFlag(),
			maxBadFlag(),
			lockFlag(),
			&urfave.IntFlag{Name: "folds", Usage: "folds of the cross-validation", DefaultText: "5"},
			&urfave.Uint64Flag{Name: "seed", Usage: "seed of the folds"},
		}, slices.Concat(networkFlags(), sizeFlags(), photoFlags(), deviceFlags())...),
		Action: func(c *urfave.Context) error {
			data, err := oneArgument(c, "DIR")
			if err != nil {
				return err
			}
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			watch := out.progress()
			s, err := classify.Quickstart(c.Context, classify.QuickstartOptions{
				Data: data, Photos: photoOptions(c), Out: c.String("out"), Force: c.Bool("force"),
				Embedder: embedder, FastDecode: c.Bool("fast-decode"), MaxBad: maxBad(c),
				Folds: c.Int("folds"), Seed: c.Uint64("seed"),
			}, watch)
			if err != nil {
				return err
			}
			if !s.Unchanged || !newer(s.Files.Report, s.Files.Classifier) {
				if _, err := report.Write(c.Context, report.Options{
					Runs: []string{s.Files.Model}, Out: s.Files.Report, Force: c.Bool("force"),
					Title: "A classifier for " + s.ClassNames(), Embedder: embedder,
				}, watch); err != nil {
					return fail.Wrap(fail.KindOf(err), err,
						"The classifier is done; the same command tries the report again.", "the report")
				}
			}
			return out.result(s, func(w io.Writer) {
				s.Text(w)
				if s.Unchanged {
					fmt.Fprintln(w, "\nNothing has changed since the last run: this is its result.")
				}
			})
		},
	}
}

// newer reports whether the file made was written after the file of. A run that ended between the two leaves an
// earlier run's report.
func newer(made, of string) bool {
	m, errMade := os.Stat(made)
	o, errOf := os.Stat(of)
	return errMade == nil && errOf == nil && !m.ModTime().Before(o.ModTime())
}
