package classify

import (
	"context"
	"slices"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/store"
)

// EvaluateData evaluates the MODEL on a folder of labelled photos. Their classes are some of the model's, or all; the
// error is of kind fail.Usage for another class. split is as for EvaluateStore.
func EvaluateData(ctx context.Context, o Options, data, split string, report progress.Reporter) (Evaluation, error) {
	o.Photos.ByName = true
	photos, err := dataset.Scan(ctx, data, o.Photos)
	if err != nil {
		return Evaluation{}, err
	}
	m, p, err := modeldir.Load(o.Model)
	if err != nil {
		return Evaluation{}, err
	}
	if split, err = dataset.EvaluationSplit(data, photos.Splits, split, m.Metrics.ValSplit); err != nil {
		return Evaluation{}, err
	}
	slices.SortStableFunc(photos.Items, func(a, b dataset.Item) int { return dataset.ReadingOrder(&a, &b) })
	var items []dataset.Item
	var labels []int
	for _, item := range photos.Items {
		if item.Split == split {
			items, labels = append(items, item), append(labels, item.Label)
		}
	}
	labelled := head.SingleViews(labels)
	if err := relabel(labelled, photos.Classes, m.Classes); err != nil {
		return Evaluation{}, err
	}
	c, err := open(ctx, o, m, p, len(items), report)
	if err != nil {
		return Evaluation{}, err
	}
	defer c.close()
	embedded, err := embed(ctx, c, items, labelled, report)
	if err != nil {
		return Evaluation{}, err
	}
	rejected := []extract.BadPhoto{}
	for _, refused := range photos.Refused {
		if refused.Split == split {
			rejected = append(rejected, extract.BadPhoto{Path: refused.Rel, Reason: refused.Reason})
		}
	}
	rejected = append(rejected, embedded.rejected...)
	if len(embedded.labels) == 0 {
		return Evaluation{}, extract.NoneUsable(data, rejected)
	}
	found, err := head.Evaluate(ctx, c.model.Head.Layout, c.params, head.Data{
		Photos: head.SingleViews(embedded.labels), Row: head.Matrix(embedded.features, c.embedder.FeatureLen()),
	})
	if err != nil {
		return Evaluation{}, err
	}
	m.Notes = slices.Concat(m.Notes, learnedNotes(m, embedded.sums, split), photos.Notes)
	e := newEvaluation(m, found, embedded.paths, split)
	e.Rejected = rejected
	for _, skipped := range photos.SkippedIn(split) {
		e.Skipped = append(e.Skipped, extract.SkippedFile(skipped))
	}
	return e, nil
}

// embedded are the usable photos of a folder, and those that are not.
type embedded struct {
	paths    []string // relative to the folder
	labels   []int
	sums     []store.SHA256
	features []float32 // [photos, features]
	rejected []extract.BadPhoto
}

// embed computes the features of items, whose labels are those of photos.
func embed(ctx context.Context, c *classifier, items []dataset.Item, photos []head.Photo, report progress.Reporter,
) (all embedded, err error) {
	files := make([]source.Source, len(items))
	for i := range items {
		files[i] = items[i].Source()
	}
	err = extract.Photos(ctx, c.embedder, c.decoder, files, report, func(i int, photo extract.Embedding) error {
		if photo.Reason != "" {
			all.rejected = append(all.rejected, extract.BadPhoto{Path: items[i].Rel, Reason: photo.Reason})
			return nil
		}
		all.paths, all.labels = append(all.paths, items[i].Rel), append(all.labels, photos[i].Label)
		all.sums, all.features = append(all.sums, photo.SHA256), append(all.features, photo.Features...)
		return nil
	})
	return all, err
}
