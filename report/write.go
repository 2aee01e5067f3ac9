package report

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/extract"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/report/page"
)

// Options of Write. Only Runs is needed.
type Options struct {
	Runs     []string // MODEL folders and experiments
	Out      string   // HTML file; "" for report.html in the only one of Runs, else fx-report.html here
	Force    bool     // replace whatever lies at Out and beside it, see outpath.Prepare
	Title    string   // "" for one made of the runs
	Data     string   // photos, "" for where the runs found them
	Embedder extract.EmbedderOptions
}

// Result is what Write wrote, and the table in it.
type Result struct {
	HTML     string   `json:"html"`
	Pictures []string `json:"pictures"`
	Table    []Row    `json:"table"`
	Best     string   `json:"best"` // folder of the run that is shown first
	Bytes    int64    `json:"bytes"`
	Notes    []string `json:"notes"`
}

// Row is one line of the table: the runs of a network and a mode.
type Row struct {
	Network           string           `json:"network"`
	Mode              string           `json:"mode"`
	Detail            string           `json:"detail,omitempty"` // what tells it from others of the network and mode
	Weights           string           `json:"weights"`
	Seeded            bool             `json:"seeded"` // the weights of a pretrained mode are random
	Runs              int              `json:"runs"`
	BestValAccuracy   float64          `json:"best_val_accuracy"` // mean
	SD                float64          `json:"sd"`                // of the sample; 0 for one run
	Low               float64          `json:"low"`
	High              float64          `json:"high"`
	Seconds           float64          `json:"seconds"`           // mean
	ImagesPerSecond   float64          `json:"images_per_second"` // mean
	ParametersTrained int              `json:"parameters_trained"`
	References        []page.Reference `json:"references"`
}

// Write gathers the runs and writes the report: one HTML file that needs no
// network, and PNG pictures beside it.
func Write(ctx context.Context, o Options, watch progress.Reporter) (Result, error) {
	out, err := o.file()
	if err != nil {
		return Result{}, err
	}
	p, err := gather(ctx, o, watch)
	if err != nil {
		return Result{}, err
	}
	made := Result{HTML: out, Table: table(p), Best: p.Runs[p.Best].Folder, Notes: append([]string{}, p.Notes...)}
	if made.Pictures, err = page.Pictures(out, p); err != nil {
		return Result{}, err
	}
	if err := page.HTML(out, p); err != nil {
		return Result{}, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return Result{}, fail.Wrap(fail.KindOf(err), err, "", "the report %s", out)
	}
	made.Bytes = info.Size()
	return made, nil
}

// file is where the HTML goes. It is checked before the work begins.
func (o Options) file() (string, error) {
	out := o.Out
	switch {
	case out == "" && len(o.Runs) == 1:
		out = filepath.Join(o.Runs[0], "report.html")
	case out == "":
		out = "fx-report.html"
	}
	if ext := strings.ToLower(filepath.Ext(out)); ext != ".html" && ext != ".htm" {
		return "", fail.New(fail.Usage, "Name a file such as report.html; the pictures go beside it.",
			"--out %s is no .html file", out)
	}
	photos, err := o.photos()
	if err != nil {
		return "", err
	}
	var targets []outpath.Target
	for _, folder := range photos {
		targets = append(targets, outpath.Target{Kind: outpath.HTML, Path: out, Photos: folder, MakesFolder: true})
		for _, picture := range page.PictureFiles(out) {
			targets = append(targets, outpath.Target{Kind: outpath.PNG, Path: picture, Nested: true})
		}
	}
	if err := outpath.Prepare(o.Force, targets...); err != nil {
		return "", err
	}
	if o.Out != "" {
		if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
			return "", fail.Wrap(fail.Usage, err, "Choose a file in a folder that fx may write with --out.",
				"the folder of %s", out)
		}
	}
	return out, nil
}

// photos are the folders and lists of the runs' photos, each once. There is at
// least one, "" where none is known. gather tells of runs that can't be read; the
// error is the system's.
func (o Options) photos() ([]string, error) {
	photos := []string{o.Data}
	f, _ := find(o.Runs)
	for _, found := range f.runs {
		r, err := open(found)
		data := ""
		if err == nil {
			data, err = r.data(Options{})
		}
		if fail.BySystem(err) {
			return nil, err
		}
		photos = append(photos, data)
	}
	slices.Sort(photos)
	photos = slices.Compact(photos)
	if len(photos) > 1 && photos[0] == "" {
		photos = photos[1:]
	}
	return photos, nil
}

func table(p page.Page) []Row {
	rows := make([]Row, len(p.Groups))
	for i, g := range p.Groups {
		rows[i] = Row{
			Network: g.Network, Mode: g.Mode.Key, Detail: g.Detail, Weights: g.Weights, Seeded: g.Seeded,
			Runs: g.Accuracy.N, BestValAccuracy: g.Accuracy.Mean, SD: g.Accuracy.SD,
			Low: g.Accuracy.Low, High: g.Accuracy.High,
			Seconds: g.Seconds, ImagesPerSecond: g.ImagesPerSecond, ParametersTrained: g.Parameters,
			References: append([]page.Reference{}, g.References...),
		}
	}
	return rows
}

// Training names the row's way of training, for people.
func (r Row) Training() string {
	name := modeOf(r.Mode).Name
	if r.Detail != "" {
		name += ", " + r.Detail
	}
	return name
}
