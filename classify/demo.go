package classify

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"fx/extract"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/sampledata"
	"fx/internal/store"
	"fx/internal/training"
)

// The demo's networks: the tutorial's, and one whose weights are in a Python package, for machines without access to
// torchvision's.
const (
	demoBackbone     = "squeezenet1_1"
	fallbackBackbone = "efficientnet_lite0"
	demoValFraction  = 0.2 // if the photos have no val split
)

// DemoOptions of Demo. Only Out is needed.
type DemoOptions struct {
	Out      string // folder for everything that the demo makes
	Force    bool   // write to Out though outpath.Prepare refuses it
	Data     string // photos; "" finds some, see sampledata.Photos
	Embedder extract.EmbedderOptions
}

// DemoResult describes what the demo wrote.
type DemoResult struct {
	Photos          sampledata.Found `json:"photos"`
	Backbone        string           `json:"backbone"`
	Weights         string           `json:"weights"`
	WeightsOrigin   string           `json:"weights_origin"`
	Extract         extract.Summary  `json:"extract"`
	BestValAccuracy float64          `json:"best_val_accuracy"`
	BestEpoch       int              `json:"best_epoch"`
	FitSeconds      float64          `json:"fit_seconds"`
	Eval            Evaluation       `json:"eval"`
	Store           string           `json:"store"`
	Model           string           `json:"model"`
	Picture         string           `json:"picture"`
	Seconds         float64          `json:"seconds"`
	Notes           []string         `json:"notes"` // all fallbacks, and why
}

// Demo does what `fx extract`, `fx fit-head` and `fx eval` do, on photos and a network that it searches for, and draws
// a picture of the result. It replaces what it does not find, with a note.
func Demo(ctx context.Context, o DemoOptions, watch progress.Reporter) (DemoResult, error) {
	start := time.Now()
	d := DemoResult{Model: filepath.Join(o.Out, "model"), Picture: filepath.Join(o.Out, "report.png")}
	mayWrite := func(photos string) error {
		return outpath.Prepare(o.Force,
			outpath.Target{Kind: outpath.Demo, Path: o.Out, Photos: photos},
			outpath.Target{Kind: outpath.Model, Path: d.Model, Nested: true})
	}
	err := mayWrite(o.Data) // before any download
	if err != nil {
		return d, err
	}
	if d.Photos, err = sampledata.Photos(ctx, sampledata.Options{Dir: o.Data, Lock: o.Embedder.Network.Lock},
		watch); err != nil {
		return d, err
	}
	if err := mayWrite(d.Photos.Dir); err != nil {
		return d, err
	}
	if err := checkSameData(o.Force, o.Out, d.Model, d.Photos.Dir); err != nil {
		return d, err
	}
	network, opened, notes, err := openFirst(ctx, o.Embedder.Network, []string{demoBackbone, fallbackBackbone}, watch)
	if err != nil {
		return d, err
	}
	d.Backbone, d.Weights, d.WeightsOrigin = opened.Backbone.Name, opened.Weights.String(), opened.WeightsOrigin
	d.Notes = slices.Concat(d.Photos.Notes, opened.Found, notes)
	o.Embedder.Network = network
	d.Store = filepath.Join(o.Out, "features-"+d.Backbone) // named by an ONNX file's name
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Store, Path: d.Store, Nested: true}); err != nil {
		return d, err
	}
	if d.Extract, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: d.Photos.Dir, Store: d.Store, Force: o.Force,
		Inputs: d.Photos.Inputs,
	}, watch); err != nil {
		return d, err
	}
	fit := FitOptions{
		Settings: training.Defaults(), Features: d.Store, Out: d.Model, Force: o.Force, Nested: true,
	}
	features, err := store.ReadInfo(d.Store)
	if err != nil {
		return d, err
	}
	if len(features.Splits) == 1 {
		fit.ValFraction = demoValFraction
		note := fmt.Sprintf("the photos have no val split: evaluated on %g of them, held out", demoValFraction)
		d.Notes = append(d.Notes, note)
	}
	fitted, err := Fit(ctx, fit, nil, watch)
	if err != nil {
		return d, err
	}
	d.BestValAccuracy, d.BestEpoch, d.FitSeconds = fitted.BestValAccuracy, fitted.BestEpoch, fitted.Seconds
	if d.Eval, err = EvaluateStore(ctx, d.Model, d.Store, ""); err == nil {
		err = writePicture(d.Picture, d.Model, d.Eval)
	}
	d.Seconds = time.Since(start).Seconds()
	return d, err
}
