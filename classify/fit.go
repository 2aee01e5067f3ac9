package classify

import (
	"context"
	"fmt"
	"runtime"
	"slices"

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
	"fx/internal/training"
	"fx/internal/version"
)

// FitOptions of Fit.
type FitOptions struct {
	training.Settings // those that are used by training.Head; start from training.Defaults

	Features string // store folder
	Out      string // MODEL folder to write
	Force    bool   // write to Out though outpath.Prepare refuses it
	Nested   bool   // Out is part of another command's output, which that command may replace
}

// FitResult is the result of Fit.
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

// Fit trains a head on the embeddings of a store, after comparing their checksums, and writes the MODEL. It replaces
// only a MODEL of the same features. It calls epoch, if not nil, after each epoch.
func Fit(ctx context.Context, o FitOptions, epoch func(metrics.Epoch), watch progress.Reporter) (FitResult, error) {
	if err := o.Check(training.Head); err != nil {
		return FitResult{}, err
	}
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
	described, err := headOf(m)
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
	notes = append(notes, splits.BestEpochNotes()...)
	notes = append(notes, leakNotes(features, train, val)...)
	if o.Solver == training.LBFGS && o.L2 == 0 {
		o.L2 = head.DefaultL2(train) // for the record
	}
	clock := newStopwatch(epoch)
	result, err := head.Fit(ctx, described.Layout, train, val, o.head(train, len(m.Classes)), clock.epoch)
	if err != nil {
		return FitResult{}, err
	}
	model := newModel(m, described, o, notes)
	model.Metrics = newMetrics(result, train, val, splits, o)
	remember(&model.Metrics, features, train)
	if err := saveWithLog(o.Out, model, result.Params,
		fitLog(o, m.Backbone, clock, result)); err != nil {
		return FitResult{}, err
	}
	return FitResult{
		BestValAccuracy: result.BestValAccuracy, BestEpoch: result.BestEpoch, Epochs: result.Epochs,
		Seconds: result.Seconds, ParametersTrained: result.ParametersTrained,
		TrainPhotos: len(train.Photos), ValPhotos: len(val.Photos),
		Classes: m.Classes, Backbone: m.Backbone, Model: o.Out, ValSplit: splits.Val,
		Notes: slices.Concat(notes, copyNotes(features, train, val), splits.Notes()),
	}, nil
}

// openLabelled opens a store for training.
func openLabelled(ctx context.Context, dir string, watch progress.Reporter) (*store.Store, error) {
	features, err := store.Open(ctx, dir, watch)
	if err != nil {
		return nil, err
	}
	if n := len(features.Manifest.Classes); n < 2 {
		_ = features.Close() // only read
		return nil, fail.New(fail.Usage, "Extract photos of at least two classes.", "the store %s has %d classes",
			dir, n)
	}
	return features, nil
}

// head returns the options for training on the photos of this number of classes.
func (o FitOptions) head(train head.Data, classes int) head.Options {
	s := o.Resolved(training.Head)
	h := head.Options{
		Solver: head.Solver(s.Solver), Seed: s.Seed, Epochs: s.Epochs, BatchSize: s.BatchSize,
		LR: s.LR, Momentum: s.Momentum, WeightDecay: *s.WeightDecay, L2: s.L2,
	}
	if s.ClassWeights == training.Balanced {
		h.ClassWeights = head.Balanced(train, classes)
	}
	return h
}

// newModel describes a head on the features of the store m, without Metrics.
func newModel(m store.Manifest, h modeldir.Head, o FitOptions, notes []string) modeldir.Model {
	return modeldir.Model{
		Backbone: modeldir.Backbone{
			Name: m.Backbone, File: m.Made.BackboneFile, FeatureTensor: m.Made.FeatureTensor,
			Weights: m.Made.WeightsFile, WeightsOrigin: m.Made.WeightsOrigin,
			GraphSHA256: m.GraphSHA256, WeightsSHA256: m.WeightsSHA256,
		},
		Preprocess: m.Preprocess, EXIF: m.EXIF, FastDecode: m.FastDecode,
		Mode: modeldir.FeatureExtraction, Seed: o.Seed, Head: h, Classes: m.Classes,
		Features: paths.Absolute(o.Features), Data: m.Made.Data, Extensions: m.Made.Extensions,
		NoFollowLinks: m.Made.NoFollowLinks,
		Options:       o.HeadRecord(), Versions: versions(m), Notes: notes, Untrained: m.Made.Untrained,
	}
}

// newMetrics describes a training on train that was evaluated on val.
func newMetrics(r head.Result, train, val head.Data, splits dataset.Splits, o FitOptions) modeldir.Metrics {
	return modeldir.Metrics{
		BestValAccuracy: r.BestValAccuracy, BestEpoch: r.BestEpoch, Epochs: r.Epochs,
		Seconds: r.Seconds, ImagesPerSecond: float64(len(train.Photos)*len(r.Epochs)) / max(r.Seconds, 1e-6),
		ParametersTrained: r.ParametersTrained,
		TrainSplit:        splits.Train, ValSplit: splits.Val,
		TrainPhotos: len(train.Photos), ValPhotos: len(val.Photos),
		ValFraction: o.ValFraction, SplitSeed: o.Seed, CopiesTogether: o.ValFraction > 0,
	}
}

// headOf returns the head for a store's features: a registered network's own, else the one that fits the shape.
func headOf(m store.Manifest) (modeldir.Head, error) {
	h, err := backbones.HeadFor(m.FeatureShape)
	if err != nil {
		return modeldir.Head{}, fail.Wrap(fail.Store, err, "Extract into a new store.",
			"the store's manifest")
	}
	if b, err := backbones.Lookup(m.Backbone); err == nil {
		// a linear head suffices for one position
		if b, err = b.WithFeatureShape(m.FeatureShape); err == nil && b.Head.Kind == h.Kind {
			h = b.Head
		}
	}
	return modeldir.Head{Layout: h.Layout(len(m.Classes)), WeightName: h.Weight, BiasName: h.Bias,
		FeatureShape: m.FeatureShape}, nil
}

// trainAndVal selects the photos for training and for evaluation.
func trainAndVal(features *store.Store, o FitOptions) (train, val head.Data, splits dataset.Splits, err error) {
	if o.ValFraction != 0 && o.ValSplit != "" {
		return train, val, splits, fail.New(fail.Usage, "Give one of them.", "--val-fraction and --val-split together")
	}
	request := dataset.SplitRequest{
		From: o.Features, Have: features.Splits(), Train: o.TrainSplit, Val: o.ValSplit,
		Evaluation: dataset.RequiredEvaluation,
		Advice: "Name others with --train-split and --val-split, or take a part of the training photos with " +
			"--val-fraction 0.2.",
	}
	if o.ValFraction != 0 {
		request.Evaluation = dataset.NoEvaluation
	}
	if train, splits, err = learnable(features, request); err != nil {
		return train, val, splits, err
	}
	if o.ValFraction != 0 {
		splits.Val = heldOut(o.ValFraction, splits.Train)
		train, val, err = head.Split(train, o.ValFraction, o.Seed, copiesOf(features, train))
		return train, val, splits, err
	}
	val, err = dataOf(features, splits.Val)
	return train, val, splits, err
}

// heldOut describes the share of a split, or of all photos, that a training held out for evaluation.
func heldOut(share float64, split string) string {
	if split == "" {
		split = "the photos"
	}
	return fmt.Sprintf("%g of %s", share, split)
}

// learnable chooses the splits of a store and returns the photos for training. The error is of kind fail.Usage for a
// class without a photo.
func learnable(features *store.Store, r dataset.SplitRequest) (train head.Data, splits dataset.Splits, err error) {
	if splits, err = dataset.ChooseSplits(r); err != nil {
		return train, splits, err
	}
	if train, err = dataOf(features, splits.Train); err != nil {
		return train, splits, err
	}
	classes := features.Manifest.Classes
	return train, splits, dataset.CheckLearnable(classes, countLabels(train.Photos, len(classes)), 1, splits.Train,
		"usable photo")
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

// dataOf returns the photos of a split; its rows are those of the store.
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

func versions(m store.Manifest) map[string]string {
	return map[string]string{"fx": version.String(), "go": runtime.Version(), "onnxruntime": m.Made.ONNXRuntime}
}
