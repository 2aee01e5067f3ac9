package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/classify"
	"fx/finetune"
	"fx/internal/chart"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/rangetest"
	"fx/internal/store"
	settings "fx/internal/training"
)

// How often a range test is repeated unless told otherwise. A head costs nothing.
const (
	fewSteps       = 50 // below which a test says so
	headRepeats    = 16
	networkRepeats = 3
)

// lrFindResult is what fx lr-find prints.
type lrFindResult struct {
	rangetest.Result
	Rule     string   `json:"rule"`
	Backbone string   `json:"backbone"`
	Trained  string   `json:"trained"` // "head" or what finetune trains
	Photos   int      `json:"photos"`  // that were trained on
	Plot     string   `json:"plot"`
	Table    string   `json:"table"`
	Notes    []string `json:"notes"`

	untrained string // the note that every result must show
}

func lrFindCommand(out *output) *urfave.Command {
	d := rangetest.Defaults()
	flags := []urfave.Flag{
		&urfave.StringFlag{Name: "features", Usage: "`STORE` of fx extract: test the training of a head on it"},
		&urfave.StringFlag{Name: "out", Value: "lr-find.png",
			Usage: "`FILE` for the plot; the table is written beside it as .csv"}, forceFlag(),
		&urfave.Float64Flag{Name: "min-lr", Value: d.MinLR, Usage: "learning rate of the first step"},
		&urfave.Float64Flag{Name: "max-lr", Value: d.MaxLR, Usage: "learning rate of the last step"},
		&urfave.IntFlag{Name: "steps", Value: d.Steps,
			Usage: "number of updates; the rate rises by the same factor after each"},
		&urfave.IntFlag{Name: "repeats", Usage: "number of trainings whose losses are averaged",
			DefaultText: fmt.Sprintf("%d for a head, %d for a network", headRepeats, networkRepeats)},
	}
	// What decides a run's updates decides the test's; the rate's course and what a run saves have no part in it.
	for _, f := range finetuneFlags(lrFindFields(settings.Network)) {
		if slices.Contains([]string{"out", "force", "resume"}, f.Names()[0]) {
			continue
		}
		if s, ok := f.(*urfave.StringFlag); ok {
			s.Required = false // --features stands in for --backbone and --data
		}
		flags = append(flags, f)
	}
	return &urfave.Command{
		Name:  "lr-find",
		Usage: "find a learning rate with the range test",
		Description: "The command trains for a few steps while the learning rate rises, plots the loss, and suggests " +
			"the rate at which the\n" +
			"smoothed loss falls fastest (L. N. Smith, \"Cyclical Learning Rates for Training Neural Networks\", " +
			"2015; fastai's\n" +
			"rule \"steep\"). It tests a head on a store, or a network on photos as fx finetune would train it:\n\n" +
			"   fx lr-find --features features\n" +
			"   fx lr-find --backbone resnet18 --data photos --all-params",
		Flags: flags,
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if err := checkPlot(c); err != nil {
				return err
			}
			r, err := lrFind(c, out)
			if err != nil {
				return err
			}
			if err := r.draw(); err != nil {
				return err
			}
			return out.result(r, func(w io.Writer) { printLRFind(w, r) })
		},
	}
}

// lrFindFields are the settings of a reader that a range test has a use for.
func lrFindFields(by settings.UsedBy) []settings.Field {
	return slices.DeleteFunc(settings.Fields(by), func(f settings.Field) bool { return !f.RangeTest })
}

// checkPlot refuses a place for the plot before any work.
func checkPlot(c *urfave.Context) error {
	path := c.String("out")
	if !strings.EqualFold(filepath.Ext(path), ".png") {
		return fail.New(fail.Usage, "Name a file such as lr-find.png.", "--out %s is no .png file", path)
	}
	photos := c.String("data")
	// An error of the store is reported by the test.
	if m, err := store.ReadManifest(c.String("features")); err == nil && photos == "" {
		photos = m.Made.Data
	}
	return outpath.Prepare(c.Bool("force"),
		outpath.Target{Kind: outpath.PNG, Path: path, Photos: photos},
		outpath.Target{Kind: outpath.LRTable, Path: tableBeside(path), Nested: true})
}

// lrFind tests a head or a network.
func lrFind(c *urfave.Context, out *output) (lrFindResult, error) {
	test := rangetest.Options{MinLR: c.Float64("min-lr"), MaxLR: c.Float64("max-lr"), Steps: c.Int("steps"),
		Repeats: c.Int("repeats")}
	repeats := func(fallback int) rangetest.Options {
		if !c.IsSet("repeats") {
			test.Repeats = fallback
		}
		return test
	}
	features, photos := c.String("features") != "", c.String("backbone") != "" || c.String("data") != ""
	switch {
	case features && photos:
		return lrFindResult{}, fail.New(fail.Usage,
			"Give --features STORE for a head, or --backbone NAME --data DIR for a network.",
			"fx lr-find trains a head or a network, not both")
	case !features && !photos:
		return lrFindResult{}, fail.New(fail.Usage,
			"Give --features STORE for a head, or --backbone NAME --data DIR for a network.",
			"fx lr-find must be told what to train")
	case features:
		return lrFindHead(c, out, repeats(headRepeats))
	case c.String("backbone") == "" || c.String("data") == "":
		return lrFindResult{}, fail.New(fail.Usage, "Give --backbone NAME and --data DIR.",
			"the test of a network needs both --backbone and --data")
	}
	o, err := finetuneOptions(c, lrFindFields(settings.Network))
	if err != nil {
		return lrFindResult{}, err
	}
	o.Terse = true
	found, err := finetune.RangeTest(c.Context, o, repeats(networkRepeats), out.progress())
	return lrFindResult{
		Result: found.Result, Backbone: found.Backbone, Trained: fmt.Sprintf("%d parameters", found.ParametersTrained),
		Photos: found.Photos, Notes: found.Notes, untrained: found.Untrained,
	}.at(c), err
}

// lrFindHead tests a head, by those flags that fx fit-head has too.
func lrFindHead(c *urfave.Context, out *output, test rangetest.Options) (lrFindResult, error) {
	own := []string{"features", "out", "force", "min-lr", "max-lr", "steps", "repeats", "json", "quiet"}
	// The settings of a head that are flags of fx lr-find, because a network has them too.
	of := slices.DeleteFunc(lrFindFields(settings.Head), func(f settings.Field) bool {
		return f.By&settings.Network == 0
	})
	for _, f := range of {
		own = append(own, f.Name)
	}
	for _, name := range c.LocalFlagNames() {
		if !slices.Contains(own, name) {
			return lrFindResult{}, fail.New(fail.Usage,
				"Leave it out: with --features the head of `fx fit-head` is trained.", "--%s with --features", name)
		}
	}
	found, err := classify.RangeTest(c.Context, classify.FitOptions{Settings: readSettings(c, of),
		Features: c.String("features")}, test, out.progress())
	return lrFindResult{
		Result: found.Result, Backbone: found.Backbone, Trained: "head",
		Photos: found.Photos, Notes: found.Notes, untrained: found.Untrained,
	}.at(c), err
}

// at says where the pictures go.
func (r lrFindResult) at(c *urfave.Context) lrFindResult {
	r.Rule, r.Plot = rangetest.Rule, c.String("out")
	r.Table = tableBeside(r.Plot)
	return r
}

// tableBeside is where the table of a plot goes.
func tableBeside(plot string) string { return strings.TrimSuffix(plot, filepath.Ext(plot)) + ".csv" }

// draw writes the plot and the table.
func (r lrFindResult) draw() error {
	f := chart.LRFind{
		Title:    fmt.Sprintf("Learning-rate range test: %s, %s", r.Backbone, r.Trained),
		Subtitle: r.subtitle(),
		Test:     r.Result,
	}
	if len(r.Steps) < 2 {
		return fail.New(fail.NonFinite, "Give a smaller --min-lr.", "the test ended before there was a curve: %s",
			r.Stopped)
	}
	if err := chart.LRTable(r.Table, r.Steps); err != nil {
		return fail.Wrap(fail.Usage, err, "Choose another --out.", "write %s", r.Table)
	}
	return fail.Wrap(fail.Usage, chart.LRCurve(r.Plot, f), "Choose another --out.", "write %s", r.Plot)
}

func (r lrFindResult) subtitle() string {
	if r.untrained != "" {
		return r.conditions() + "; " + r.untrained
	}
	return r.conditions()
}

func (r lrFindResult) conditions() string {
	times := ""
	if r.Repeats > 1 {
		times = fmt.Sprintf(", mean of %d trainings", r.Repeats)
	}
	return fmt.Sprintf("%d steps on %d photos%s", len(r.Steps), r.Photos, times)
}

func printLRFind(w io.Writer, r lrFindResult) {
	if r.Suggestion == 0 {
		fmt.Fprintln(w, "no learning rate to suggest: the loss falls nowhere; give another --min-lr or --max-lr")
	} else {
		fmt.Fprintf(w, "suggested learning rate %.2g: %s\n", r.Suggestion, r.Rule)
	}
	fmt.Fprintf(w, "a tenth of the rate with the least smoothed loss: %.2g\n", r.TenthOfLowestLR)
	fmt.Fprintln(w, r.conditions())
	if len(r.Steps) < fewSteps {
		fmt.Fprintf(w, "so few steps say little: with more of them (--steps, --repeats) the suggestion may be ten "+
			"times smaller\n")
	}
	if r.Stopped != "" {
		fmt.Fprintf(w, "ended early: %s\n", r.Stopped)
	}
	printNotes(w, r.Notes)
	fmt.Fprintf(w, "plot: %s, table: %s\n", r.Plot, r.Table)
}
