package classify

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"fx/backbones"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/outpath"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/store"
)

// FitOptions says what a head learns from, and how.
type FitOptions struct {
	Features             string  // store folder
	Out                  string  // MODEL folder to write
	Force                bool    // even where it holds something else or lies among the photos, see outpath.Prepare
	Nested               bool    // Out is a part of what another command makes, whose it is to replace
	TrainSplit, ValSplit string  // names; "" means train and val, or what the store has
	ValFraction          float64 // of the training photos to judge by, where the store has no val split
	ClassWeights         string  // "none" (also "") or "auto": n/(classes·count), as scikit-learn's "balanced"
	Head                 head.Options
	Versions             map[string]string // for model.json
}

// FitResult is what Fit did.
type FitResult struct {
	BestValAccuracy   float64         `json:"best_val_accuracy"`
	BestEpoch         int             `json:"best_epoch"` // from 1
	Epochs            []metrics.Epoch `json:"epochs"`
	Seconds           float64         `json:"seconds"` // of the training alone
	ParametersTrained int             `json:"parameters_trained"`
	TrainPhotos       int             `json:"train_photos"`
	ValPhotos         int             `json:"val_photos"`
	ValSplit          string          `json:"val_split"`
	Classes           []string        `json:"classes"`
	Backbone          string          `json:"backbone"`
	Model             string          `json:"model"`
	Notes             []string        `json:"notes"`
}

// Fit trains a head on the embeddings of a store, whose checksums it compares
// first, and writes the MODEL. Only a MODEL of the same features is replaced. epoch, where not nil, is called after each.
func Fit(ctx context.Context, o FitOptions, epoch func(metrics.Epoch), watch progress.Reporter) (FitResult, error) {
	made, err := store.ReadManifest(o.Features)
	if err != nil {
		return FitResult{}, err
	}
	target := outpath.Target{Kind: outpath.Model, Path: o.Out, Photos: made.Made.Data}
	if err := outpath.Prepare(o.Force, target); err != nil {
		return FitResult{}, err
	}
	if err := o.checkOwnModel(made); err != nil {
		return FitResult{}, err
	}
	release, err := holdModel(o.Out)
	if err != nil {
		return FitResult{}, err
	}
	defer release()
	features, err := openLabelled(ctx, o.Features, watch)
	if err != nil {
		return FitResult{}, err
	}
	defer func() { _ = features.Close() }() // only read
	m := features.Manifest
	described, layout, err := headOf(m)
	if err != nil {
		return FitResult{}, err
	}
	train, val, splits, err := trainAndVal(features, o)
	if err != nil {
		return FitResult{}, err
	}
	notes := append([]string{}, m.Made.Notes...)
	if lacking := features.Incomplete(); lacking != "" {
		notes = append(notes, fmt.Sprintf("the store %s may lack rows: %s", o.Features, lacking))
	}
	if splits.TestForVal {
		notes = append(notes, fmt.Sprintf("there is no split \"val\": the best epoch was chosen by %q", splits.Val))
	}
	notes = append(notes, leakNotes(features, train, val)...)
	if o.Head.ClassWeights, err = o.classWeights(train, len(m.Classes)); err != nil {
		return FitResult{}, err
	}
	clock := newStopwatch(epoch)
	result, err := head.Fit(ctx, layout, train, val, o.Head, clock.epoch)
	if err != nil {
		return FitResult{}, err
	}
	model := newModel(m, described, o, notes)
	model.Metrics = newMetrics(result, train, o)
	model.Metrics.TrainSplit, model.Metrics.ValSplit, model.Metrics.ValPhotos = splits.Train, splits.Val, len(val.Photos)
	if err := saveWithLog(o.Out, model, modeldir.Params(result.Params), fitLog(o, m.Backbone, clock, result)); err != nil {
		return FitResult{}, err
	}
	return FitResult{
		BestValAccuracy: result.BestValAccuracy, BestEpoch: result.BestEpoch, Epochs: result.Epochs,
		Seconds: result.Seconds, ParametersTrained: result.ParametersTrained,
		TrainPhotos: len(train.Photos), ValPhotos: len(val.Photos),
		Classes: m.Classes, Backbone: m.Backbone, Model: o.Out, ValSplit: splits.Val,
		Notes: append(notes, copyNotes(features, train, val)...),
	}, nil
}

// openLabelled opens a store to train on.
func openLabelled(ctx context.Context, dir string, watch progress.Reporter) (*store.Store, error) {
	features, err := store.Open(ctx, dir, watch)
	if err != nil {
		return nil, err
	}
	if n := len(features.Manifest.Classes); n < 2 {
		_ = features.Close() // only read
		return nil, fail.New(fail.Usage, "Extract photos of at least two classes.", "the store %s has %d classes", dir, n)
	}
	return features, nil
}

// classWeights are those that o asks for, nil for none.
func (o FitOptions) classWeights(train head.Data, classes int) ([]float64, error) {
	switch o.ClassWeights {
	case "", "none":
		return nil, nil
	case "auto":
		return head.Balanced(train, classes), nil
	}
	return nil, fail.New(fail.Usage, "It is none or auto.", "--class-weights %s", o.ClassWeights)
}

// newModel describes a head on the features of the store m, without Metrics.
func newModel(m store.Manifest, h modeldir.Head, o FitOptions, notes []string) modeldir.Model {
	return modeldir.Model{
		Backbone: modeldir.Backbone{
			Name: m.Backbone, File: m.Made.BackboneFile, FeatureTensor: m.Made.FeatureTensor,
			Weights: m.Made.WeightsFile, WeightsOrigin: m.Made.WeightsOrigin,
			GraphSHA256: m.GraphSHA256, WeightsSHA256: m.WeightsSHA256,
		},
		Preprocess: m.Preprocess, EXIF: m.EXIF, FastDecode: m.FastDecode, Mode: modeldir.FeatureExtraction, Seed: o.Head.Seed, Head: h, Classes: m.Classes,
		Features: paths.Absolute(o.Features), Data: m.Made.Data, Extensions: m.Made.Extensions, NoFollowLinks: m.Made.NoFollowLinks,
		Options: optionsMap(o), Versions: versions(o.Versions, m), Notes: notes, Untrained: m.Made.Untrained,
	}
}

// newMetrics tells how the training on train went.
func newMetrics(r head.Result, train head.Data, o FitOptions) modeldir.Metrics {
	return modeldir.Metrics{
		BestValAccuracy: r.BestValAccuracy, BestEpoch: r.BestEpoch, Epochs: r.Epochs,
		Seconds: r.Seconds, ImagesPerSecond: float64(len(train.Photos)*len(r.Epochs)) / max(r.Seconds, 1e-6),
		ParametersTrained: r.ParametersTrained, TrainPhotos: len(train.Photos),
		ValFraction: o.ValFraction, SplitSeed: o.Head.Seed, CopiesTogether: o.ValFraction > 0,
	}
}

// headOf returns the head that fits a store's features: a registered network's
// own, else what the shape asks for.
func headOf(m store.Manifest) (modeldir.Head, head.Layout, error) {
	h, err := backbones.HeadFor(m.FeatureShape)
	if err != nil {
		return modeldir.Head{}, head.Layout{}, fail.Wrap(fail.Store, err, "Extract into a new store.", "the store's manifest")
	}
	if b, err := backbones.Lookup(m.Backbone); err == nil {
		if b, err = b.WithFeatureShape(m.FeatureShape); err == nil && b.Head.Kind == h.Kind { // of one position a linear head says all
			h = b.Head
		}
	}
	described := modeldir.Head{
		Kind: string(h.Kind), Features: h.In, Positions: h.Positions(), Dropout: h.Dropout,
		WeightName: h.Weight, BiasName: h.Bias, FeatureShape: m.FeatureShape,
	}
	return described, layoutOf(described, len(m.Classes)), nil
}

func layoutOf(h modeldir.Head, classes int) head.Layout {
	return head.Layout{Kind: head.Kind(h.Kind), Features: h.Features, Positions: h.Positions, Classes: classes, Dropout: h.Dropout}
}

// trainAndVal picks the photos to learn from and to judge by.
func trainAndVal(features *store.Store, o FitOptions) (train, val head.Data, splits dataset.Splits, err error) {
	have := features.Splits()
	splits = dataset.ChooseSplits(have, o.TrainSplit, o.ValSplit)
	if o.ValFraction != 0 && o.ValSplit != "" {
		return train, val, splits, fail.New(fail.Usage, "Give one of them.", "--val-fraction and --val-split together")
	}
	if splits.Val == "" {
		splits.Val = "val" // which is missing
	}
	hint := fmt.Sprintf("The store has %s; name others with --train-split and --val-split, "+
		"or take a part of the training photos with --val-fraction 0.2.", quoted(have))
	if splits.Train == splits.Val && o.ValFraction == 0 {
		return train, val, splits, fail.New(fail.Usage, hint,
			"%s can't be both learned from and judged by", quoted([]string{splits.Train}))
	}
	if train, err = learnable(features, splits.Train, hint, o.Features); err != nil {
		return train, val, splits, err
	}
	if o.ValFraction != 0 {
		splits.Val, splits.TestForVal = heldOut(o.ValFraction, splits.Train), false
		train, val, err = head.Split(train, o.ValFraction, o.Head.Seed, copiesOf(features, train))
		return train, val, splits, err
	}
	if !slices.Contains(have, splits.Val) {
		return train, val, splits, fail.New(fail.Usage, hint,
			"the store %s has no photos of the split %q to judge by", o.Features, splits.Val)
	}
	val, err = dataOf(features, splits.Val)
	return train, val, splits, err
}

// heldOut names the share of a split, or of all photos, that a training kept to judge by.
func heldOut(share float64, split string) string {
	if split == "" {
		split = "the photos"
	}
	return fmt.Sprintf("%g of %s", share, split)
}

// learnable returns the photos of a split to learn from. It refuses a split that
// the store in the folder where lacks, and one without a photo of some class.
func learnable(features *store.Store, split, hint, where string) (head.Data, error) {
	if !slices.Contains(features.Splits(), split) {
		return head.Data{}, fail.New(fail.Usage, hint,
			"the store %s has no photos of the split %q to learn from", where, split)
	}
	train, err := dataOf(features, split)
	if err != nil {
		return head.Data{}, err
	}
	classes := features.Manifest.Classes
	return train, dataset.CheckLearnable(classes, countLabels(train.Photos, len(classes)), 1, split, "usable photo")
}

// countLabels returns the number of photos of each class.
func countLabels(photos []head.Photo, classes int) []int {
	counts := make([]int, classes)
	for _, photo := range photos {
		if photo.Label >= 0 && photo.Label < classes { // head refuses others
			counts[photo.Label]++
		}
	}
	return counts
}

func quoted(names []string) string {
	if len(names) == 1 && names[0] == "" {
		return "no splits"
	}
	if len(names) == 1 {
		return "the one split " + names[0]
	}
	return "the splits " + strings.Join(names, ", ")
}

// dataOf returns the photos of a split, whose rows are the store's.
func dataOf(features *store.Store, split string) (head.Data, error) {
	rows := features.Rows()
	var names []string
	var views, labels, index []int
	for i := range rows {
		if rows[i].Split == split {
			names = append(names, rows[i].Path)
			views = append(views, rows[i].View)
			labels = append(labels, rows[i].Label)
			index = append(index, i)
		}
	}
	photos, err := head.GroupViews(names, views, labels)
	for _, photo := range photos {
		for k, row := range photo.Rows {
			photo.Rows[k] = index[row]
		}
	}
	return head.Data{Photos: photos, Row: features.Embedding}, err
}

func optionsMap(o FitOptions) map[string]any {
	h := o.Head
	m := map[string]any{"solver": h.Solver, "seed": h.Seed, "class_weights": h.ClassWeights}
	if h.Solver == head.LBFGS {
		m["l2"] = h.L2
		return m
	}
	m["epochs"], m["batch_size"], m["lr"], m["momentum"], m["weight_decay"] = h.Epochs, h.BatchSize, h.LR, h.Momentum, h.WeightDecay
	return m
}

func versions(own map[string]string, m store.Manifest) map[string]string {
	all := map[string]string{"go": runtime.Version(), "onnxruntime": m.Made.ONNXRuntime}
	for k, v := range own {
		all[k] = v
	}
	return all
}
