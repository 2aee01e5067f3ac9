package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"fx/experiments"
	"fx/extract"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/progress"
	"fx/report"
)

func experimentCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "experiment",
		Usage: "run a matrix of trainings from a YAML file: networks × modes × seeds",
		Subcommands: []*urfave.Command{
			{
				Name:      "run",
				Usage:     "execute the runs of FILE that are not finished",
				ArgsUsage: "FILE",
				Description: "FILE is a YAML file, or the name of a built-in experiment: " +
					strings.Join(experiments.Names(), ", ") + ".\n" +
					"You can interrupt it at any time; the same command continues, and repeats no finished run.",
				Flags: append(experimentFlags(), forceFlag(),
					&urfave.BoolFlag{Name: "no-report", Usage: "do not write a report"}),
				Action: func(c *urfave.Context) error {
					file, options, err := experimentOf(c)
					if err != nil {
						return err
					}
					watch := out.progress()
					e, err := experiments.Run(c.Context, file, options, watch)
					if err != nil {
						return err
					}
					done := experimentDone{Experiment: e, Out: options.Out}
					if done.Report, err = experimentReport(c, options, watch); err != nil {
						return err
					}
					return out.result(done, func(w io.Writer) { printExperiment(w, done) })
				},
			},
			{
				Name:      "plan",
				Usage:     "list the runs and estimate their time by a short trial",
				ArgsUsage: "FILE",
				Flags:     experimentFlags(),
				Action: func(c *urfave.Context) error {
					file, options, err := experimentOf(c)
					if err != nil {
						return err
					}
					plan, err := experiments.DryRun(c.Context, file, options, out.progress())
					if err != nil {
						return err
					}
					return out.result(plan, func(w io.Writer) { printPlan(w, plan) })
				},
			},
		},
	}
}

func experimentFlags() []urfave.Flag {
	return append(slices.Concat(photoFlags(), machineFlags()),
		&urfave.StringFlag{Name: "out", Usage: "`DIR` for the results", DefaultText: "runs/ and the file's name"},
		&urfave.StringFlag{Name: "data", Usage: "`DIR` of photos, instead of the one in FILE"},
		&urfave.StringFlag{Name: "only", Usage: "run only what matches the `PATTERN`, such as '*-finetune-*'"},
		&urfave.StringSliceFlag{Name: "set", Usage: "a setting for all runs, such as `epochs=2`; can be repeated"},
		&urfave.StringFlag{Name: "weights-if-missing",
			Usage: "`seed:N`: use random weights if the pretrained ones are not available; the results are marked"},
		lockFlag(),
	)
}

// experimentOf reads the file and the flags that change it.
func experimentOf(c *urfave.Context) (*experiments.File, experiments.Options, error) {
	path, err := oneArgument(c, "FILE")
	if err != nil {
		return nil, experiments.Options{}, err
	}
	file, err := experiments.Open(c.Context, path)
	if err != nil {
		return nil, experiments.Options{}, err
	}
	for _, assignment := range c.StringSlice("set") {
		if err := file.Set(assignment); err != nil {
			return nil, experiments.Options{}, err
		}
	}
	if seed := c.String("weights-if-missing"); seed != "" {
		if err := file.SetWeightsIfMissing(seed); err != nil {
			return nil, experiments.Options{}, err
		}
	}
	env, err := environmentOf(c)
	out := c.String("out")
	if out == "" {
		out = file.DefaultOut()
	}
	return file, experiments.Options{
		Environment: env, Out: out, Force: c.Bool("force"), Data: c.String("data"), Only: c.String("only"),
		Photos: photoOptions(c), Lock: lockfile.At(c.String("lock")),
	}, err
}

// experimentDone is what `fx experiment run` prints.
type experimentDone struct {
	experimentdir.Experiment
	Out    string `json:"out"`
	Report string `json:"report,omitempty"` // the HTML file
}

// experimentReport writes the report of all runs into the experiment's folder.
func experimentReport(c *urfave.Context, o experiments.Options, watch progress.Reporter) (string, error) {
	if c.Bool("no-report") {
		return "", nil
	}
	made, err := report.Write(c.Context, report.Options{
		Runs: []string{o.Out}, Force: o.Force, Data: o.Data,
		Embedder: extract.EmbedderOptions{Environment: o.Environment},
	}, watch)
	if err != nil {
		return "", fail.Wrap(fail.KindOf(err), err,
			fmt.Sprintf("The runs are done; `fx report %s` tries the report again.", o.Out), "the report")
	}
	return made.HTML, nil
}

func printPlan(w io.Writer, p experiments.Plan) {
	fmt.Fprintf(w, "%s\nphotos: %s (%s)\nresults: %s\n\n", p.Title, p.Data.Dir, p.Data.Origin, p.Out)
	rows := [][]string{{"run", "weights", "status", "takes about"}}
	todo := 0
	for _, run := range p.Runs {
		takes := ""
		if run.Status != experimentdir.Finished {
			takes, todo = "?", todo+1
			if run.Estimate > 0 {
				takes = experiments.Rough(seconds(run.Estimate))
			}
		}
		rows = append(rows, []string{run.Name, weightsOf(run.Run), run.Status, takes})
	}
	table(w, rows)
	if todo == 0 {
		fmt.Fprintln(w, "\nall runs are done")
	} else {
		fmt.Fprintf(w, "\n%d of %d runs to do, about %s\n", todo, len(p.Runs), experiments.Rough(seconds(p.Estimate)))
	}
	printNotes(w, p.Notes)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// weightsOf returns the weights that a run starts from, marked if they are random.
func weightsOf(run experimentdir.Run) string {
	if run.Seeded {
		return run.Weights + " (random, not trained)"
	}
	return run.Weights
}

func printExperiment(w io.Writer, done experimentDone) {
	e := done.Experiment
	fmt.Fprintf(w, "%s\n\n", e.Title)
	heads := []string{"backbone", "mode", "weights", "best val accuracy", "seconds a run", "images/s",
		"parameters trained"}
	names := e.ReferenceNames()
	rows := [][]string{append(heads, names...)}
	for _, cell := range e.Cells() {
		accuracy := fmt.Sprintf("%.4f", cell.Accuracy.Mean)
		if cell.Accuracy.N > 1 {
			accuracy += fmt.Sprintf(" ± %.4f (%d seeds)", cell.Accuracy.SD, cell.Accuracy.N)
		}
		if cell.Accuracy.N == 0 {
			accuracy = none
		}
		row := []string{cell.Backbone, cell.Mode, cell.Start(), accuracy, fmt.Sprintf("%.0f", cell.Seconds),
			perSecond(cell.ImagesPerSecond), fmt.Sprint(cell.ParametersTrained)}
		for _, name := range names {
			row = append(row, besideOf(e, cell, name))
		}
		rows = append(rows, row)
	}
	table(w, rows)
	fmt.Fprintln(w)
	printNotes(w, e.Notes)
	fmt.Fprintf(w, "results: %s\n", done.Out)
	if done.Report != "" {
		fmt.Fprintf(w, "report: %s\n", done.Report)
	}
}

// besideOf returns the reference result for a cell, or "".
func besideOf(e experimentdir.Experiment, cell experimentdir.Cell, name string) string {
	r, found := e.Reference(cell, name)
	if !found {
		return ""
	}
	text := fmt.Sprintf("%.4f", r.BestValAccuracy)
	if r.SD > 0 {
		text += fmt.Sprintf(" ± %.4f", r.SD)
	}
	if r.Backbone != cell.Backbone {
		text += " (" + r.Backbone + ")"
	}
	return text
}
