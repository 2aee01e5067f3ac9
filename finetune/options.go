package finetune

import (
	"cmp"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/dataset"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/training"
)

// Options of a run. Defaults returns those of the tutorial; Network.Backbone, Data
// and Out must be set as well.
type Options struct {
	training.Settings
	environment.Environment

	Network backbones.NetworkOptions // the pretrained network; Resize and Crop are those of Settings
	Data    string                   // folder with a train and a val split
	Photos  dataset.Options          // which of its files are photos

	Out    string // RUN folder
	Resume bool   // continue the run in Out
	Force  bool   // even if Out contains something else or lies inside Data, see outpath.Prepare

	// ProfilePrefix, if not empty, has ONNX Runtime write the time of each node of
	// the training steps to PREFIX-batchN_TIME.json when the run ends.
	ProfilePrefix string

	// Terse omits the list of trained parameters.
	Terse bool
}

// Defaults returns the settings of PyTorch's tutorial "Finetuning Torchvision Models".
func Defaults() Options { return Options{Settings: training.Defaults()} }

// usedBy returns the training that uses the settings.
func (o Options) usedBy() training.UsedBy {
	if o.Scratch {
		return training.Scratch
	}
	return training.Finetune
}

// resolved checks the options and fills in those that follow from others.
func (o Options) resolved() (Options, error) {
	if o.Scratch && !o.Network.Weights.IsZero() {
		return o, fail.New(fail.Usage, "Give one of them.",
			"--scratch starts from random weights, but --weights names others")
	}
	if err := cmp.Or(o.Environment.Check(), o.Settings.Check(o.usedBy())); err != nil {
		return o, err
	}
	o.Settings = o.Settings.Resolved(o.usedBy())
	o.Network.Resize, o.Network.Crop = o.Resize, o.Crop
	return o, nil
}

// graph returns the options of the training graphs for resolved settings, without Probe.
func graph(s training.Settings, n *artifacts.Network, classWeights []float64) artifacts.Options {
	trainable := s.Trainable
	if s.HeadOnly {
		trainable = n.Head()
	}
	return artifacts.Options{
		Trainable: trainable, Batch: s.BatchSize,
		Optimizer: artifacts.Optimizer{Name: s.Optimizer, Momentum: s.Momentum, Nesterov: s.Nesterov,
			WeightDecay: *s.WeightDecay},
		FrozenBatchNorm: s.FrozenBN, LabelSmoothing: s.LabelSmoothing, ClassWeights: classWeights,
		ClipGradNorm: s.ClipGradNorm, EMA: s.EMA, HeadMultiplier: s.HeadMultiplier, Precision: s.Precision,
	}
}
