package finetune

import (
	"fmt"
	"math"

	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
)

// Options say what to train, on what, and how. Defaults gives those of the
// tutorial; Network.Backbone, Data and Out are needed besides.
type Options struct {
	Network extract.NetworkOptions // the pretrained network
	Data    string                 // folder with a train and a val split
	// Extensions are taken besides torchvision's, and NoFollowLinks leaves out
	// photos behind links, see dataset.Options.
	Extensions    []string
	NoFollowLinks bool

	Out    string // RUN folder
	Resume bool   // go on where the run in Out ended
	Force  bool   // even where Out holds something else or lies inside Data, see outpath.Prepare

	// Trainable are patterns of parameter names, such as "layer4.*", where *
	// stands for any text; nil trains every parameter. HeadOnly trains the
	// classifier alone.
	Trainable []string
	HeadOnly  bool

	// Scratch starts from random weights of Seed instead of pretrained ones:
	// backbones.InitialWeights, and a classifier by the layers' own rule, as
	// in the tutorial, which replaces it.
	Scratch bool

	Epochs    int
	BatchSize int
	LR        float64
	Optimizer artifacts.Optimizer

	// Accumulate adds up the gradients of so many batches for one update, as
	// if they were one batch: 0 or 1 means none. Batch normalization still
	// sees the batches apart.
	Accumulate int

	Schedule     string  // of the learning rate: "constant" (also ""), "step" or "cosine"
	StepEpochs   int     // of the schedule "step": a tenth of the rate after every so many epochs, 7 where 0
	WarmupEpochs float64 // over which the rate rises from 0

	LabelSmoothing float64
	ClassWeights   string  // "none" (also "") or "auto": n/(classes·count), as scikit-learn's "balanced"
	ClipGradNorm   float64 // bound on the norm of all gradients together, 0 for none
	EMA            float64 // decay of the moving average that is judged and kept, 0 for none
	HeadMultiplier float64 // of the learning rate for the classifier, 1 where 0
	FrozenBN       bool    // batch normalization uses its running statistics and leaves them alone

	// Precision of products in training: artifacts.Float32 (or ""), BFloat16,
	// which asks for a GPU, or Float16.
	Precision string

	Seed       uint64
	Device     ort.Device
	Workers    int    // goroutines that decode; 0 means one for each CPU
	Library    string // path of libonnxruntime, "" to look for it
	Decoder    string // of JPEG: "auto" (also ""), "turbojpeg" or "go"
	EXIF       string // "ignore" (also "") or "apply"
	OnBadImage string // "skip" (also "") or "fail"

	DecodeMemory int64 // bounds the bytes that all photos take while they are decoded; 0 means photoio's choice

	TrainSplit, ValSplit string // names; "" lets dataset.ChooseSplits choose

	// ProfilePrefix, where not empty, has ONNX Runtime write what each node of
	// the training steps took to PREFIX-batchN_TIME.json when the run ends.
	ProfilePrefix string

	// CheckpointSteps saves last/ after so many steps within an epoch too; 0
	// does so every few minutes.
	CheckpointSteps int

	// Terse leaves out the list of parameters that learn.
	Terse bool

	FxVersion string // for run.json
}

// Defaults are the settings of PyTorch's tutorial "Finetuning Torchvision Models".
func Defaults() Options {
	return Options{
		Epochs: 15, BatchSize: 8, LR: 0.001,
		Optimizer: artifacts.Optimizer{Name: artifacts.SGD, Momentum: 0.9},
	}
}

func (o Options) check() error {
	choice := func(flag, value string, allowed ...string) error {
		for _, a := range append(allowed, "") {
			if value == a {
				return nil
			}
		}
		return fail.New(fail.Usage, fmt.Sprintf("It is one of %v.", allowed), "--%s %s", flag, value)
	}
	positive := func(flag string, ok bool, value any) error {
		if ok {
			return nil
		}
		return fail.New(fail.Usage, "`fx finetune --help` says what it means.", "--%s %v is out of range", flag, value)
	}
	for _, err := range []error{
		positive("epochs", o.Epochs > 0, o.Epochs),
		positive("batch-size", o.BatchSize > 0, o.BatchSize),
		positive("accumulate", o.Accumulate >= 0, o.Accumulate),
		positive("lr", o.LR > 0 && !math.IsInf(o.LR, 0), o.LR),
		positive("workers", o.Workers >= 0, o.Workers),
		positive("step-epochs", o.StepEpochs >= 0, o.StepEpochs),
		positive("warmup-epochs", o.WarmupEpochs >= 0 && o.WarmupEpochs <= float64(o.Epochs), o.WarmupEpochs),
		positive("checkpoint-steps", o.CheckpointSteps >= 0, o.CheckpointSteps),
		choice("precision", o.Precision, artifacts.Float32, artifacts.BFloat16, artifacts.Float16),
		choice("schedule", o.Schedule, constantSchedule, stepSchedule, cosineSchedule),
		choice("class-weights", o.ClassWeights, "none", "auto"),
		choice("on-bad-image", o.OnBadImage, "skip", "fail"),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case o.HeadOnly && o.Trainable != nil:
		return fail.New(fail.Usage, "Give one of --all-params, --head-only and --trainable.", "--head-only and --trainable together")
	case o.Scratch && o.Network.Weights != "":
		return fail.New(fail.Usage, "Give one of them.", "--scratch starts from random weights, and --weights names others")
	}
	return nil
}

// graph are the options of the training graphs, without batch and probe.
func (o Options) graph(n *artifacts.Network, classWeights []float64) artifacts.Options {
	trainable := o.Trainable
	if o.HeadOnly {
		trainable = n.Head()
	}
	return artifacts.Options{
		Trainable: trainable, Optimizer: o.Optimizer, Batch: o.BatchSize,
		FrozenBatchNorm: o.FrozenBN, LabelSmoothing: o.LabelSmoothing, ClassWeights: classWeights,
		ClipGradNorm: o.ClipGradNorm, EMA: o.EMA, HeadMultiplier: o.HeadMultiplier, Precision: o.Precision,
	}
}
