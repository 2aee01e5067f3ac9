package report

import (
	"context"
	"fmt"
	"slices"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/progress"
	"fx/internal/version"
	"fx/report/page"
)

// gather collects what the report shows. Errors are of runs that can't be read;
// photos and features that are gone leave their parts out, with a note.
func gather(ctx context.Context, o Options, watch progress.Reporter) (page.Page, error) {
	f, err := find(o.Runs)
	if err != nil {
		return page.Page{}, err
	}
	runs := make([]*run, len(f.runs))
	for i, found := range f.runs {
		if runs[i], err = open(found); err != nil {
			return page.Page{}, err
		}
		if len(runs[i].model.Metrics.Epochs) == 0 {
			return page.Page{}, fail.New(fail.Model, "Train it again with `fx fit-head` or `fx finetune`.",
				"the run %s tells of no epoch", found.dir)
		}
	}
	// Thumbnails stand as the network saw the photos.
	decoder, err := o.Embedder.NewDecoder(imaging.Options{EXIF: runs[0].model.EXIF})
	if err != nil {
		return page.Page{}, err
	}
	thumbnails := newThumbnails()
	task := watch.Begin("evaluate", int64(len(runs)), "runs")
	for _, r := range runs {
		if err := r.evaluate(ctx, o, thumbnails, watch); err != nil {
			task.End()
			return page.Page{}, err
		}
		task.Add(1)
	}
	task.End()
	left := thumbnails.choose(runs, maxPhotos)
	reader := o.Embedder.NewReader(decoder, photoio.Options{Hash: true})
	err = thumbnails.draw(ctx, reader, watch)
	if err != nil {
		return page.Page{}, err
	}
	p := page.Page{
		Groups: groupsOf(runs,
			f.experiments), Photos: thumbnails.shown(), Best: bestRun(runs), Versions: versionsOf(runs), Notes: f.notes,
	}
	for _, r := range runs {
		p.Runs = append(p.Runs, r.shown)
		if r.shown.Missing != "" {
			p.Notes = append(p.Notes, r.name+" is shown without its photos: "+r.shown.Missing)
		}
	}
	for _, r := range runs {
		for _, note := range r.evaluated {
			p.Notes = append(p.Notes, r.name+": "+note)
		}
	}
	p.Notes = append(p.Notes, thumbnails.notes(left)...)
	p.Shared, p.Differ = compare(runs)
	if len(runs) > 1 {
		p.Differ = inTables(p.Differ)
	}
	byGroup(p.Differ, p.Groups, runs)
	describe(&p, o, f, runs)
	return p, nil
}

// describe writes the words of the page.
func describe(p *page.Page, o Options, f finding, runs []*run) {
	p.Title = o.Title
	if p.Title == "" {
		p.Title = title(f, runs)
	}
	p.Summary = summary(*p, runs)
	p.Figures = figures(*p, runs)
	p.Footnotes = footnotes(*p, runs)
	for _, e := range f.experiments {
		if e.Machine != "" {
			p.Versions = append(p.Versions, page.Setting{Name: "machine", Value: e.Machine})
		}
		p.Notes = append(p.Notes, e.Notes...)
	}
	p.Notes = append(p.Notes, trainingNotes(runs)...)
	p.Versions = append(p.Versions, page.Setting{Name: "fx of this report", Value: version.String()})
}

// trainingNotes are what the runs noted, each once, with the networks that it
// is about unless it is about all.
func trainingNotes(runs []*run) []string {
	var notes []string
	about := map[string][]string{}
	count := map[string]int{}
	for _, r := range runs {
		for _, note := range r.model.Notes {
			if count[note] == 0 {
				notes = append(notes, note)
			}
			count[note]++
			if name := how(r); !slices.Contains(about[note], name) {
				about[note] = append(about[note], name)
			}
		}
	}
	for i, note := range notes {
		if count[note] < len(runs) {
			notes[i] = page.Enumerate(about[note], 3) + ": " + note
		}
	}
	return notes
}

func title(f finding, runs []*run) string {
	if len(f.experiments) == 1 && f.experiments[0].Title != "" {
		return f.experiments[0].Title
	}
	if len(runs) == 1 {
		r := runs[0].shown
		return fmt.Sprintf("%s, %s", r.Network, r.Mode.Name)
	}
	return fmt.Sprintf("%d trainings, side by side", len(runs))
}
