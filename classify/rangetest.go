package classify

import (
	"context"

	"fx/head"
	"fx/internal/dataset"
	"fx/internal/progress"
	"fx/internal/rangetest"
	"fx/internal/training"
)

// RangeTestResult is the result of a range test on a store.
type RangeTestResult struct {
	rangetest.Result
	Backbone  string   `json:"backbone"`
	Photos    int      `json:"photos"` // for training
	Notes     []string `json:"notes"`
	Untrained string   `json:"-"` // as in backbones.Description
}

// RangeTest searches for the learning rate of Fit with the same options, and writes nothing. It uses the options for
// training by SGD and for the choice of photos.
func RangeTest(ctx context.Context, o FitOptions, test rangetest.Options,
	watch progress.Reporter) (RangeTestResult, error) {
	if err := test.Check(); err != nil {
		return RangeTestResult{}, err
	}
	if err := o.Check(training.Head); err != nil {
		return RangeTestResult{}, err
	}
	features, err := openLabelled(ctx, o.Features, watch)
	if err != nil {
		return RangeTestResult{}, err
	}
	defer func() { _ = features.Close() }() // only read
	m := features.Manifest
	h, err := headOf(m)
	if err != nil {
		return RangeTestResult{}, err
	}
	train, _, err := learnable(features, dataset.SplitRequest{
		From: o.Features, Have: features.Splits(), Train: o.TrainSplit, Advice: "Name another with --train-split.",
	})
	if err != nil {
		return RangeTestResult{}, err
	}
	found, err := head.RangeTest(ctx, h.Layout, train, o.head(train, len(m.Classes)), test)
	return RangeTestResult{
		Result: found, Backbone: m.Backbone, Photos: len(train.Photos),
		Notes: append([]string{}, m.Made.Notes...), Untrained: m.Made.Untrained,
	}, err
}
