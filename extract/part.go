package extract

import (
	"context"
	"os"
	"strconv"
	"time"

	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/source"
	"fx/internal/store"
)

// parsePart returns text; for "auto" the number of the array task of Slurm or of an indexed Kubernetes job.
func parsePart(text string, env func(string) string) (string, error) {
	if text != "auto" {
		return text, nil
	}
	index := arrayIndex(env)
	if n, err := strconv.Atoi(index); err != nil || n < 0 {
		return "", fail.New(fail.Usage,
			"Write --part N, or --part auto inside a Slurm array or an indexed Kubernetes job.",
			"--part auto: no array task is known from the environment")
	}
	return index, nil
}

// part computes a part of a plan.
func (r *run) part(ctx context.Context) (Summary, error) {
	o := &r.options
	name, err := parsePart(o.Part, os.Getenv)
	if err != nil {
		return Summary{}, err
	}
	line, err := readPart(o.PartsFile, name)
	if err != nil {
		return Summary{}, err
	}
	stored, err := store.ReadManifest(o.Store)
	if err != nil {
		return Summary{}, err
	}
	entries := make([]store.Entry, len(line.Items))
	for i := range line.Items {
		entries[i] = line.Items[i].entry(o.Data)
	}
	if stored.PartID(entries) != line.ID {
		return Summary{}, fail.New(fail.Usage, planHint,
			"part %s of %s is not of the store %s, or was changed after fx wrote it", name, o.PartsFile, o.Store)
	}
	r.plan = &store.Plan{Photos: len(entries)}
	result, done, err := store.ReadPart(ctx, o.Store, stored, line.ID)
	if err != nil {
		return Summary{}, err
	}
	if done {
		return r.donePart(stored, result)
	}
	if err := r.locate(ctx, &line, entries); err != nil {
		return Summary{}, err
	}
	r.photos, r.items = &dataset.Dataset{Root: o.Data, Classes: stored.Classes}, entries
	if err := r.openPart(ctx, stored, entries); err != nil {
		return Summary{}, err
	}
	return r.finish(ctx)
}

// openPart opens the network and the part.
func (r *run) openPart(ctx context.Context, stored store.Manifest, entries []store.Entry) error {
	o := &r.options
	lock := o.Embedder.Network.Lock.In(o.Store)
	if err := r.newDecoder(); err != nil {
		return err
	}
	o.Embedder.Network.Lock = lock
	o.goOnAs(stored, r.report)
	if err := r.openWeights(ctx); err != nil {
		return err
	}
	if err := r.describe(&stored); err != nil {
		return err
	}
	writer, err := store.OpenPart(o.Store, r.manifest, entries, r.report)
	if err != nil {
		return err
	}
	r.writer, r.plan = writer, writer.Plan()
	return r.hold(ctx, lock)
}

// locate finds the photos of the line that are no files of their own. It lists only the archives that contain them, but
// for photos in no archive, for which it scans the data.
func (r *run) locate(ctx context.Context, line *partLine, entries []store.Entry) error {
	found := map[string]source.Source{} // by what identifies them in entries
	key := func(e *store.Entry) string { return e.Path }
	for _, archive := range line.Archives {
		err := source.List(archive, func(string) bool { return false }, func(m source.Member) error {
			if m.At != nil {
				found[m.At.String()] = m.At
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if line.Listed {
		data, err := dataset.Scan(ctx, r.options.Data, r.options.Photos)
		if err != nil {
			return err
		}
		key = func(e *store.Entry) string { return e.Rel }
		for i := range data.Items {
			found[data.Items[i].Rel] = data.Items[i].Source()
		}
	}
	for i := range entries {
		e := &entries[i]
		switch at, ok := found[key(e)]; {
		case ok:
			e.At, e.Path = at, at.String()
		case source.IsBucket(e.Path):
			at, err := source.NewObject(e.Path)
			if err != nil {
				return err
			}
			e.At = at
		case line.Listed || len(line.Archives) > 0:
			return fail.New(fail.Usage, planHint, "%s has no %s any more", r.options.Data, e.Rel)
		}
	}
	return nil
}

// donePart returns the summary of a part that is done already.
func (r *run) donePart(m store.Manifest, done store.PartResult) (Summary, error) {
	for _, bad := range done.Rejected {
		if err := r.rejectPhoto(0, bad.Path, bad); err != nil {
			return Summary{}, err
		}
	}
	return Summary{
		Images: r.plan.Photos, Cached: done.Rows, Rejected: r.badPhotos(), Skipped: []BadPhoto{},
		Seconds: time.Since(r.start).Seconds(), FeatureShape: m.FeatureShape, Provider: m.Compute.String(),
		Decoder: m.Decoder, Backbone: m.Backbone, Weights: m.Weights, WeightsSHA256: m.WeightsSHA256,
		Classes: m.Classes, Store: r.options.Store, Notes: append([]string{}, m.Made.Notes...),
	}, r.checkMaxBad()
}
