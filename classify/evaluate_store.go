package classify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/store"
)

// EvaluateStore evaluates the MODEL on the embeddings of a store. If split is "", it is the val split of the training,
// or the only one. A MODEL that was evaluated by cross-validation is evaluated again on the same folds.
func EvaluateStore(ctx context.Context, model, features, split string) (Evaluation, error) {
	e, _, err := evaluateStore(ctx, model, features, split, nil)
	return e, err
}

// EvaluatedPhoto is the prediction of a MODEL for a photo of known class.
type EvaluatedPhoto struct {
	metrics.Prediction
	Path     string       // relative to the data, as in store.Row
	SHA256   store.SHA256 // of the photo
	Features []float32    // [Head.Features]: a map is averaged over its positions; nil unless chosen
}

// EvaluatePhotos is EvaluateStore on the split that the training evaluated on. It also returns the photos, in the order
// of the evaluation's predictions. choose returns the indexes of those whose features are wanted too; nil means none.
func EvaluatePhotos(
	ctx context.Context, model, features string, choose func(metrics.Evaluation) []int,
) (Evaluation, []EvaluatedPhoto, error) {
	return evaluateStore(ctx, model, features, "", choose)
}

func evaluateStore(
	ctx context.Context, model, features, split string, choose func(metrics.Evaluation) []int,
) (Evaluation, []EvaluatedPhoto, error) {
	m, p, err := modeldir.Load(model)
	if err != nil {
		return Evaluation{}, nil, err
	}
	s, err := store.Open(ctx, features, progress.Discard)
	if err != nil {
		return Evaluation{}, nil, err
	}
	defer func() { _ = s.Close() }() // only read
	if err := sameFeatures(m, s.Manifest, features); err != nil {
		return Evaluation{}, nil, err
	}
	found, err := evaluateOn(ctx, m, p, s, split, features)
	if err != nil {
		return Evaluation{}, nil, err
	}
	if changed(m, s, features) {
		found.notes = append(found.notes,
			"the store has changed since the training: its photos, splits or labels are others")
	}
	m.Notes = append(slices.Clone(m.Notes), found.notes...)
	e := newEvaluation(m, found.metrics, pathsOf(s, found.data), found.split)
	var photos []EvaluatedPhoto
	for i, photo := range found.data.Photos {
		row := s.Rows()[photo.Rows[0]]
		photos = append(photos, EvaluatedPhoto{Prediction: e.Predictions[i], Path: row.Path, SHA256: row.SHA256})
	}
	if choose != nil {
		buffer := make([]float32, s.Manifest.Values())
		for _, i := range choose(e.Evaluation) {
			row := found.data.Row(found.data.Photos[i].Rows[0], buffer)
			photos[i].Features = averaged(row, m.Head.Features, m.Head.Positions)
		}
	}
	return e, photos, nil
}

// pathsOf returns the paths of the photos of data, whose rows are those of s.
func pathsOf(s *store.Store, data head.Data) []string {
	paths := make([]string, len(data.Photos))
	for i, photo := range data.Photos {
		paths[i] = s.Rows()[photo.Rows[0]].Path
	}
	return paths
}

// sumsOf returns the SHA-256 of the photos of data, whose rows are those of s.
func sumsOf(s *store.Store, data head.Data) []store.SHA256 {
	sums := make([]store.SHA256, len(data.Photos))
	for i, photo := range data.Photos {
		sums[i] = s.Rows()[photo.Rows[0]].SHA256
	}
	return sums
}

// evaluated is the evaluation of a MODEL on photos of a store.
type evaluated struct {
	data    head.Data
	metrics metrics.Evaluation // one prediction for each of data's photos
	split   string
	notes   []string
}

// evaluateOn evaluates the MODEL (m, p) on a split of the store in the folder where; EvaluateStore describes the choice
// of the split.
func evaluateOn(ctx context.Context, m modeldir.Model, p headspec.Params, s *store.Store, split,
	where string) (evaluated, error) {
	if split == "" && m.Metrics.Folds > 0 && slices.Contains(s.Splits(), m.Metrics.TrainSplit) &&
		slices.Equal(s.Manifest.Classes, m.Classes) {
		return evaluateHeldOut(ctx, m, s, where)
	}
	var e evaluated
	var err error
	if e.data, e.split, e.notes, err = evaluationPhotos(s, m, split, where); err != nil {
		return e, err
	}
	if err := relabel(e.data.Photos, s.Manifest.Classes, m.Classes); err != nil {
		return e, err
	}
	e.notes = append(e.notes, learnedNotes(m, sumsOf(s, e.data), e.split)...)
	e.metrics, err = head.Evaluate(ctx, m.Head.Layout, p, e.data)
	return e, err
}

// evaluateHeldOut cross-validates heads of the kind of m on the folds of its training.
func evaluateHeldOut(ctx context.Context, m modeldir.Model, s *store.Store, where string) (evaluated, error) {
	options, err := crossValidationOf(m)
	if err != nil {
		return evaluated{}, err
	}
	data, err := dataOf(s, m.Metrics.TrainSplit)
	if err != nil {
		return evaluated{}, err
	}
	options.Groups = copiesOf(s, data)
	c, err := head.CrossValidate(ctx, m.Head.Layout, data, options, progress.Discard)
	if err != nil {
		return evaluated{}, err
	}
	e := evaluated{data: data, metrics: c.Metrics, split: m.Metrics.ValSplit}
	if lacking := s.Incomplete(); lacking != "" {
		e.notes = append(e.notes, fmt.Sprintf("the store %s may lack rows: %s", where, lacking))
	}
	return e, nil
}

// crossValidationOf returns the options of the cross-validation that evaluated m, without Groups.
func crossValidationOf(m modeldir.Model) (head.CrossValidationOptions, error) {
	o := head.CrossValidationOptions{Folds: m.Metrics.Folds, Seed: m.Metrics.SplitSeed}
	options, _ := m.Options.Read()
	number := func(name string) float64 { v, _ := options[name].(float64); return v }
	if m.Head.Kind != head.Linear {
		o.SGD = head.Options{Seed: m.Seed, Epochs: int(number("epochs")), BatchSize: int(number("batch-size")),
			LR: number("lr"), Momentum: number("momentum"), WeightDecay: number("weight-decay")}
		return o, nil // head checks them
	}
	if o.L2 = []float64{number("l2")}; o.L2[0] == 0 {
		return o, fail.New(fail.Model, "Train it again.",
			"the model was evaluated by cross-validation, but does not say with which penalty")
	}
	return o, nil
}

// sameFeatures returns an error if the store's features come from another network or preprocessing than m's.
func sameFeatures(m modeldir.Model, s store.Manifest, features string) error {
	var differ []string
	if m.Backbone.GraphSHA256 != s.GraphSHA256 {
		differ = append(differ, fmt.Sprintf("backbone %s in the store, %s in the model", s.Backbone, m.Backbone.Name))
	}
	if m.Backbone.WeightsSHA256 != s.WeightsSHA256 {
		differ = append(differ, fmt.Sprintf("weights %s (SHA-256 %.12s…) in the store, %s (%.12s…) in the model",
			s.Weights, s.WeightsSHA256, m.Backbone.Weights, m.Backbone.WeightsSHA256))
	}
	if m.Preprocess != s.Preprocess {
		differ = append(differ, fmt.Sprintf("preprocessing %v in the store, %v in the model", s.Preprocess,
			m.Preprocess))
	}
	if m.FastDecode != s.FastDecode {
		differ = append(differ, fmt.Sprintf("fast decode: %v in the store, %v in the model", s.FastDecode,
			m.FastDecode))
	}
	if !slices.Equal(m.Head.FeatureShape, s.FeatureShape) {
		differ = append(differ, fmt.Sprintf("features %v in the store, %v in the model", s.FeatureShape,
			m.Head.FeatureShape))
	}
	if len(differ) == 0 {
		return nil
	}
	return fail.New(fail.Usage, "Name the store that the model was trained on, or evaluate it by photos with --data.",
		"the store %s does not fit the model: %s", features, strings.Join(differ, "; "))
}

// evaluationPhotos returns the photos of s to evaluate m on, the name of their split, and notes for the user. Without a
// split they are those that the training evaluated on: a held-out fraction is drawn again.
func evaluationPhotos(s *store.Store, m modeldir.Model, split,
	where string) (data head.Data, name string, notes []string, err error) {
	if lacking := s.Incomplete(); lacking != "" {
		notes = append(notes, fmt.Sprintf("the store %s may lack rows: %s", where, lacking))
	}
	t := m.Metrics
	if split == "" && t.ValFraction > 0 && slices.Contains(s.Splits(), t.TrainSplit) {
		all, err := dataOf(s, t.TrainSplit)
		if err != nil {
			return data, "", nil, err
		}
		var copies []int
		if t.CopiesTogether {
			copies = copiesOf(s, all)
		}
		train, data, err := head.Split(all, t.ValFraction, t.SplitSeed, copies)
		notes = append(notes, leakNotes(s, train, data)...) // of a MODEL of an older fx
		return data, t.ValSplit, notes, err
	}
	if name, err = dataset.EvaluationSplit(where, s.Splits(), split, m.Metrics.ValSplit); err != nil {
		return data, "", nil, err
	}
	data, err = dataOf(s, name)
	return data, name, notes, err
}

// averaged returns the mean over the positions of a map [channels, positions].
func averaged(row []float32, channels, positions int) []float32 {
	mean := make([]float32, channels)
	for c := range mean {
		sum := 0.0
		for _, v := range row[c*positions : (c+1)*positions] {
			sum += float64(v)
		}
		mean[c] = float32(sum / float64(positions))
	}
	return mean
}

// ExtractFor fills a store with the features, by the MODEL's backbone, of the photos that the training evaluated on.
// EvaluatePhotos needs it for a finetuned network, which has no other store. data is the folder or list of the photos.
func ExtractFor(ctx context.Context, o Options, data, storeDir string, report progress.Reporter) error {
	m, _, err := modeldir.Load(o.Model)
	if err != nil {
		return err
	}
	splits := []string{m.Metrics.ValSplit}
	if m.Metrics.ValFraction > 0 { // the photos are drawn from those of training
		splits = []string{m.Metrics.TrainSplit}
	}
	o.Embedder.Network = networkOptions(m, o.Embedder.Network.Weights, report)
	_, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: data,
		Photos: dataset.Options{Extensions: extensionsOf(m), NoFollowLinks: m.NoFollowLinks},
		Store:  storeDir, ReplaceData: true, Splits: splits,
		EXIF: m.EXIF, FastDecode: m.FastDecode,
	}, report)
	return fail.Wrap(fail.KindOf(err), err, "", "features of the photos in %s", data)
}

// extensionsOf returns the extensions of m's training photos besides torchvision's. A finetuned MODEL of an older fx
// has them among the settings of its training.
func extensionsOf(m modeldir.Model) []string {
	if m.Extensions != nil {
		return m.Extensions
	}
	settings, _ := m.Options.Read()
	if extensions, _ := settings["extensions"].(string); extensions != "" {
		return strings.Split(extensions, ",")
	}
	return nil
}

// FitsStore returns why the MODEL can't be evaluated on the store in dir: there is none, or its features come from
// another network or preprocessing.
func FitsStore(m modeldir.Model, dir string) error {
	manifest, err := store.ReadManifest(dir)
	if err != nil {
		return err
	}
	return sameFeatures(m, manifest, dir)
}
