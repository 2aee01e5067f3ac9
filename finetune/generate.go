package finetune

import (
	"context"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/environment"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/training"
)

// GenerateOptions of Generate.
type GenerateOptions struct {
	training.Settings       // those that training.Graph reads
	environment.Environment // of which Generate only reads Library

	Network backbones.NetworkOptions // a registered network, or an ONNX file; Resize and Crop are those of Settings
	Classes int
	Out     string // folder to write
	Force   bool   // even if it contains something else, see outpath.Prepare
}

// Generate writes a network's training graphs and their initial state into a folder,
// for training loops in other programs. See artifacts.Read.
func Generate(ctx context.Context, o GenerateOptions, report progress.Reporter) (artifacts.Info, error) {
	if err := o.Settings.Check(training.Finetune); err != nil {
		return artifacts.Info{}, err
	}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Artifacts, Path: o.Out}); err != nil {
		return artifacts.Info{}, err
	}
	rt, err := o.Runtime()
	if err != nil {
		return artifacts.Info{}, err
	}
	o.Settings = o.Settings.Resolved(training.Finetune)
	o.Network.Resize, o.Network.Crop = o.Resize, o.Crop
	opened, n, err := openNetwork(ctx, o.Network, false, o.Classes, o.Seed, report)
	if err != nil {
		return artifacts.Info{}, err
	}
	if err := o.Network.Lock.Hold(ctx, opened.Inputs...); err != nil {
		return artifacts.Info{}, err
	}
	g := graph(o.Settings, n, nil)
	g.Probe = ortprobe.New(rt)
	return artifacts.Generate(ctx, o.Out, n, g)
}
