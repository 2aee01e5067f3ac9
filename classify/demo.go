package classify

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fx/extract"
	"fx/internal/modeldir"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/report"
	"fx/internal/sample"
	"fx/internal/store"
	"fx/internal/training"
)

// The demo's networks: the tutorial's, and one whose weights a Python package
// ships, for machines that reach no other network.
const (
	demoBackbone     = "squeezenet1_1"
	fallbackBackbone = "efficientnet_lite0"
	demoValFraction  = 0.2 // where the photos have no val split
)

// DemoOptions of Demo. Only Out is needed.
type DemoOptions struct {
	Out       string // folder for everything that the demo makes
	Force     bool   // even where it holds something else or lies inside the photos' folder, see outpath.Prepare
	Data      string // photos; "" finds some, see sample.Photos
	Embedder  extract.EmbedderOptions
	Decoder   string
	FxVersion string
}

// DemoResult says what the demo made, and where it lies.
type DemoResult struct {
	Photos          sample.Found    `json:"photos"`
	Backbone        string          `json:"backbone"`
	Weights         string          `json:"weights"`
	WeightsOrigin   string          `json:"weights_origin"`
	Extract         extract.Summary `json:"extract"`
	BestValAccuracy float64         `json:"best_val_accuracy"`
	BestEpoch       int             `json:"best_epoch"`
	FitSeconds      float64         `json:"fit_seconds"`
	Eval            Report          `json:"eval"`
	Store           string          `json:"store"`
	Model           string          `json:"model"`
	Picture         string          `json:"picture"`
	Seconds         float64         `json:"seconds"`
	Notes           []string        `json:"notes"` // every fall-back taken, and why
}

// Demo goes the whole way from photos to a judged classifier and a picture of
// how it went. Whatever it can't find it replaces, and says so.
func Demo(ctx context.Context, o DemoOptions, watch progress.Reporter) (DemoResult, error) {
	start := time.Now()
	if err := prepareDemo(o, o.Data); err != nil { // before anything is fetched
		return DemoResult{}, err
	}
	photos, err := sample.Photos(ctx, sample.Options{Dir: o.Data, Lock: o.Embedder.Network.Lock}, watch)
	if err != nil {
		return DemoResult{}, err
	}
	if err := prepareDemo(o, photos.Dir); err != nil {
		return DemoResult{}, err
	}
	d := DemoResult{Photos: photos, Model: filepath.Join(o.Out, "model"), Picture: filepath.Join(o.Out, "report.png"), Notes: photos.Notes}
	network, err := d.chooseNetwork(ctx, o.Embedder.Network, watch)
	if err != nil {
		return d, err
	}
	o.Embedder.Network = network
	d.Store = filepath.Join(o.Out, "features-"+d.Backbone) // an ONNX file counts by its name
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Store, Path: d.Store, Nested: true}); err != nil {
		return d, err
	}
	if d.Extract, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: photos.Dir, Store: d.Store, Force: o.Force, Decoder: o.Decoder, FxVersion: o.FxVersion, Inputs: photos.Inputs,
	}, watch); err != nil {
		return d, err
	}
	fit := FitOptions{
		Settings: training.Defaults(), Features: d.Store, Out: d.Model, Force: o.Force, Versions: map[string]string{"fx": o.FxVersion},
	}
	if only, err := oneSplit(d.Store); err != nil {
		return d, err
	} else if only {
		fit.ValFraction = demoValFraction
		d.Notes = append(d.Notes, fmt.Sprintf("the photos have no val split: judged by %g of them, held out", demoValFraction))
	}
	fitted, err := Fit(ctx, fit, nil, watch)
	if err != nil {
		return d, err
	}
	d.BestValAccuracy, d.BestEpoch, d.FitSeconds = fitted.BestValAccuracy, fitted.BestEpoch, fitted.Seconds
	if d.Eval, err = EvaluateStore(ctx, d.Model, d.Store, ""); err != nil {
		return d, err
	}
	if err := Picture(d.Model, d.Eval, d.Picture); err != nil {
		return d, err
	}
	d.Seconds = time.Since(start).Seconds()
	return d, nil
}

// prepareDemo refuses an o.Out that holds something else.
func prepareDemo(o DemoOptions, photos string) error {
	return outpath.Prepare(o.Force,
		outpath.Target{Kind: outpath.Demo, Path: o.Out, Photos: photos},
		outpath.Target{Kind: outpath.Model, Path: filepath.Join(o.Out, "model"), Nested: true})
}

// oneSplit tells whether the store has no second split to judge by.
func oneSplit(dir string) (bool, error) {
	info, err := store.ReadInfo(dir)
	return len(info.Splits) == 1, err
}

// chooseNetwork takes the user's network, else the tutorial's where its weights
// are to be had, else the fall-back.
func (d *DemoResult) chooseNetwork(ctx context.Context, o extract.NetworkOptions, watch progress.Reporter) (extract.NetworkOptions, error) {
	o, network, notes, err := openFirst(ctx, o, []string{demoBackbone, fallbackBackbone}, watch)
	if err != nil {
		return o, err
	}
	d.Backbone, d.Weights, d.WeightsOrigin = network.Backbone.Name, network.Weights, network.WeightsOrigin
	d.Notes = slices.Concat(d.Notes, network.Found, notes)
	return o, nil
}

// Picture draws how a MODEL was trained and how it did: the curves of train and
// val accuracy and the confusion matrix, as a PNG.
func Picture(model string, judged Report, path string) error {
	m, _, err := modeldir.Load(model)
	if err != nil {
		return err
	}
	r := report.Report{
		Title: "fx: " + m.Backbone.Name, BestEpoch: m.Metrics.BestEpoch,
		Subtitle:  fmt.Sprintf("best val accuracy %.4f in epoch %d, weights %s", m.Metrics.BestValAccuracy, m.Metrics.BestEpoch, filepath.Base(m.Backbone.Weights)),
		Confusion: judged.Confusion, Classes: m.Classes, Photos: judged.Split + " photos",
	}
	if len(m.Notes) > 0 { // such as weights that are not trained: never shown without
		r.Subtitle += "; " + strings.Join(m.Notes, "; ")
	}
	if solver := m.Options["solver"]; solver == training.LBFGS {
		r.Step = "iteration"
	}
	for _, e := range m.Metrics.Epochs {
		r.Epochs = append(r.Epochs, report.Epoch(e))
	}
	return report.Picture(path, r)
}
