package finetune

import (
	"context"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/ort"
	"fx/internal/outpath"
	"fx/internal/progress"
)

// GenerateOptions of Generate.
type GenerateOptions struct {
	Network  backbones.NetworkOptions // a registered network, or an ONNX file
	Classes  int
	HeadOnly bool // instead of Graph.Trainable
	Graph    artifacts.Options
	Seed     uint64 // of the fresh classifier
	Out      string // folder to write
	Force    bool   // even where it holds something else, see outpath.Prepare
	Library  string // path of libonnxruntime, "" to look for it
}

// Generate writes a network's training graphs and the state they start from
// into a folder, for training loops elsewhere. See artifacts.Read.
func Generate(ctx context.Context, o GenerateOptions, report progress.Reporter) (artifacts.Info, error) {
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Artifacts, Path: o.Out}); err != nil {
		return artifacts.Info{}, err
	}
	rt, err := ort.Load(o.Library)
	if err != nil {
		return artifacts.Info{}, err
	}
	opened, n, err := openNetwork(ctx, o.Network, false, o.Classes, o.Seed, report)
	if err != nil {
		return artifacts.Info{}, err
	}
	if err := o.Network.Lock.Hold(ctx, opened.Inputs...); err != nil {
		return artifacts.Info{}, err
	}
	if o.HeadOnly {
		o.Graph.Trainable = n.Head()
	}
	o.Graph.Probe = ortprobe.New(rt)
	return artifacts.Generate(ctx, o.Out, n, o.Graph)
}
