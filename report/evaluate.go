package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/report/page"
)

// What goes into a page.
const (
	maxPoints   = 600 // of a map
	maxMistakes = 24  // of a run
	maxPhotos   = 400 // that have thumbnails
)

// featuresFolder is the store that a report fills inside a run whose features are in no other.
const featuresFolder = "report-features"

// evaluate fills r.shown.Evaluation, or says in r.shown.Missing why it can't. Damaged
// features and what is not the run's fault are errors.
func (r *run) evaluate(ctx context.Context, o Options, thumbnails *thumbnails, watch progress.Reporter) error {
	features, err := r.features(ctx, o, watch)
	if err == nil {
		err = r.evaluateOn(ctx, features, o, thumbnails)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fail.KindOf(err) == fail.Store || fail.BySystem(err) {
		return fail.Wrap(fail.KindOf(err), err, "", "the features of the run %s", r.name)
	}
	if err != nil {
		r.shown.Missing = err.Error()
		watch.Note(fmt.Sprintf("%s is not evaluated again: %v", r.name, err))
	}
	return nil
}

// features returns the store to evaluate on: that of the training, an earlier
// report's, or a new one.
func (r *run) features(ctx context.Context, o Options, watch progress.Reporter) (string, error) {
	own := filepath.Join(r.dir, featuresFolder)
	candidates := []string{r.model.Features}
	if r.member != nil {
		candidates = append(candidates, r.member.Store)
	}
	for _, dir := range candidates {
		if dir == "" {
			continue
		}
		if err := classify.FitsStore(r.model, dir); err == nil || fail.BySystem(err) {
			return dir, err
		}
	}
	data, err := r.data(o)
	if err != nil {
		return "", err
	}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Store, Path: own, Nested: true}); err != nil {
		return "", err // not what an earlier report left
	}
	fits := classify.FitsStore(r.model, own)
	if fail.BySystem(fits) {
		return "", fits
	}
	if _, err := os.Stat(own); fail.BySystem(err) {
		return "", err
	} else if err == nil && fits != nil {
		if err := os.RemoveAll(own); err != nil { // of an earlier training into this folder
			return "", fail.Wrap(fail.KindOf(err), err, "", "remove %s", own)
		}
	} else if err == nil && data == "" {
		return own, nil
	}
	if data == "" {
		return "", errors.New("neither its features nor its photos are to be found (--data names the photos)")
	}
	if _, err := os.Stat(data); fail.BySystem(err) {
		return "", fail.Wrap(fail.KindOf(err), err, "", "its photos")
	} else if err != nil {
		if fits == nil {
			return own, nil
		}
		return "", fmt.Errorf("its photos are no longer at %s (--data names them)", data)
	}
	err = classify.ExtractFor(ctx, classify.Options{Model: r.dir, Embedder: o.Embedder}, data,
		own, watch)
	return own, err
}

// data is the folder or list of the run's photos, which the stores name too, or "". The error
// is the system's: a store that is gone or damaged names nothing.
func (r *run) data(o Options, stores ...string) (string, error) {
	for _, data := range []string{o.Data, r.found.data, r.origin.Data, r.model.Data} {
		if data != "" {
			return data, nil
		}
	}
	for _, dir := range append([]string{r.model.Features}, stores...) {
		if dir == "" {
			continue
		}
		m, err := store.ReadManifest(dir)
		if fail.BySystem(err) {
			return "", err
		}
		if err == nil && m.Made.Data != "" {
			return m.Made.Data, nil
		}
	}
	return "", nil
}

func (r *run) evaluateOn(ctx context.Context, features string, o Options, thumbnails *thumbnails) error {
	found, photos, err := classify.EvaluatePhotos(ctx, r.dir, features, chosen)
	if err != nil {
		return err
	}
	data, err := r.data(o, features)
	if err != nil {
		return err
	}
	from := source{data, r.model.NoFollowLinks}
	e := &page.Evaluation{Evaluation: found.Evaluation, Split: found.Split, Photos: found.Photos}
	point := func(p classify.EvaluatedPhoto) page.Point {
		said := p.Prediction
		said.Photo = thumbnails.add(from, p.Path, p.SHA256)
		return page.Point{Prediction: said}
	}
	wrong := e.Evaluation.Mistakes(len(photos))
	e.Wrong = len(wrong)
	for _, p := range wrong[:min(len(wrong), maxMistakes)] {
		e.Mistakes = append(e.Mistakes, point(photos[p.Photo]))
	}
	var shown []page.Point
	var rows [][]float32
	for _, p := range photos {
		if p.Features != nil {
			shown, rows = append(shown, point(p)), append(rows, p.Features)
		}
	}
	if plane, ok := project(rows); ok {
		for i := range shown {
			shown[i].X, shown[i].Y = plane.x[i], plane.y[i]
		}
		e.Map = &page.Map{Points: shown, Explained: plane.explained, Of: len(photos)}
	}
	r.shown.Evaluation = e
	r.evaluated = slices.DeleteFunc(found.Notes,
		func(note string) bool { return slices.Contains(r.model.Notes, note) })
	return nil
}

// chosen are the photos that go onto the map: all, or an even sample and the
// most confident mistakes.
func chosen(e metrics.Evaluation) []int {
	all := len(e.Predictions)
	var picked []int
	if all <= maxPoints {
		for i := range all {
			picked = append(picked, i)
		}
		return picked
	}
	wanted := map[int]bool{}
	for _, p := range e.Mistakes(maxMistakes) {
		wanted[p.Photo] = true
	}
	room := maxPoints - len(wanted)
	for k := range room {
		wanted[k*all/room] = true
	}
	for i := range all {
		if wanted[i] {
			picked = append(picked, i)
		}
	}
	return picked
}
