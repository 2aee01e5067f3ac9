package cli

import (
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"fx/finetune"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
)

func finetuneCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "finetune",
		Usage: "train any part or all of a network on a folder of photos",
		Description: "DIR holds train/ and val/ with a folder a class. The defaults are those of PyTorch's tutorial.\n" +
			"A finished RUN is a MODEL for fx eval, predict and export; one that was stopped or killed goes on with --resume:\n\n" +
			"   fx finetune --backbone resnet18 --data photos --all-params --out run\n" +
			"   fx finetune --backbone net.onnx --data photos --trainable 'head.*' --optimizer adamw --schedule cosine --out run2",
		Flags: finetuneFlags(),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			options, err := finetuneOptions(c)
			if err != nil {
				return err
			}
			result, err := finetune.Run(c.Context, options, out.progress())
			if err != nil {
				return err
			}
			return out.result(result, func(w io.Writer) { printFinetune(w, result) })
		},
	}
}

// finetuneFlags are what finetuneOptions reads.
func finetuneFlags() []urfave.Flag {
	d := finetune.Defaults()
	return append([]urfave.Flag{
		&urfave.StringFlag{Name: "backbone", Required: true, Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
		&urfave.StringFlag{Name: "data", Required: true, Usage: "`DIR` of photos"},
		&urfave.StringFlag{Name: "out", Required: true, Usage: "`RUN` folder to write"},
		&urfave.BoolFlag{Name: "force", Usage: "write to --out whatever lies there, but a run: files with the names of the results are replaced"},
		&urfave.StringFlag{Name: "weights", Usage: "weights `FILE` (.safetensors, .pth) to start from, under the network's names, or seed:N; default: look for the official ones, or those in the ONNX file"},
		lockFlag(),
		&urfave.BoolFlag{Name: "scratch", Usage: "start a registered network from random weights, drawn by --seed as torchvision's constructors draw them"},
		&urfave.BoolFlag{Name: "all-params", Usage: "train every parameter"},
		&urfave.BoolFlag{Name: "head-only", Usage: "train the classifier alone"},
		&urfave.StringFlag{Name: "trainable", Usage: "train the parameters that match one of the `PATTERNS`, such as 'layer4.*,fc.*'"},
		&urfave.IntFlag{Name: "epochs", Value: d.Epochs, Usage: "passes over the training photos"},
		&urfave.IntFlag{Name: "batch-size", Value: d.BatchSize, Usage: "photos a batch"},
		&urfave.IntFlag{Name: "accumulate", Value: 1, Usage: "batches whose gradients make one update"},
		&urfave.StringFlag{Name: "optimizer", Value: d.Optimizer.Name, Usage: "sgd or adamw"},
		&urfave.Float64Flag{Name: "lr", Value: d.LR, Usage: "learning rate"},
		&urfave.Float64Flag{Name: "momentum", Value: d.Optimizer.Momentum, Usage: "sgd: momentum"},
		&urfave.BoolFlag{Name: "nesterov", Usage: "sgd: Nesterov's momentum"},
		&urfave.Float64Flag{Name: "weight-decay", Usage: "sgd: added to the gradient, times the parameter; adamw: decoupled, 0.01 unless given"},
		&urfave.Float64Flag{Name: "head-lr-multiplier", Value: 1, Usage: "of the learning rate, for the classifier"},
		&urfave.StringFlag{Name: "schedule", Value: "constant", Usage: "of the learning rate: constant, step or cosine"},
		&urfave.IntFlag{Name: "step-epochs", Value: 7, Usage: "schedule step: a tenth of the rate after every so many epochs"},
		&urfave.Float64Flag{Name: "warmup-epochs", Usage: "over which the learning rate rises from 0"},
		&urfave.Float64Flag{Name: "label-smoothing", Usage: "share of the target that is spread over all classes"},
		&urfave.StringFlag{Name: "class-weights", Value: "none", Usage: "none, or auto: rare classes count more"},
		&urfave.Float64Flag{Name: "clip-grad-norm", Usage: "bound on the norm of all gradients together, 0 for none"},
		&urfave.Float64Flag{Name: "ema", Usage: "`DECAY` of a moving average of the weights, which is judged and kept in their place, 0 for none"},
		&urfave.BoolFlag{Name: "frozen-bn", Usage: "batch normalization keeps its running statistics"},
		precisionFlag(),
		&urfave.Uint64Flag{Name: "seed", Usage: "of the new classifier, the order of the photos, augmentation and dropout"},
		&urfave.BoolFlag{Name: "resume", Usage: "go on where the run in RUN ended, to the same bits"},
		&urfave.IntFlag{Name: "checkpoint-steps", Usage: "save after so many steps within an epoch too", DefaultText: "every few minutes"},
		&urfave.IntFlag{Name: "resize", Usage: "pixels of the shorter side of a val photo", DefaultText: "the network's own"},
		&urfave.IntFlag{Name: "crop", Usage: "pixels of the network's input", DefaultText: "the network's own"},
		&urfave.StringFlag{Name: "feature-tensor", Usage: "of an ONNX file: the `NAME` of the tensor that its classifier takes, where it does not say so"},
		&urfave.StringFlag{Name: "train-split", Usage: "name of the split to learn from (default: train)"},
		&urfave.StringFlag{Name: "val-split", Usage: "name of the split to judge by (default: val)"},
		&urfave.StringFlag{Name: "exif", Value: "ignore", Usage: "orientation tag: ignore (as torchvision does) or apply"},
		&urfave.StringFlag{Name: "on-bad-image", Value: "skip", Usage: "skip or fail"},
	}, append(photoFlags(), finetuneDeviceFlags()...)...)
}

func precisionFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "precision", Value: artifacts.Float32,
		Usage: "of products: float32, or bfloat16 (on a GPU) or float16 (with a loss scale) around float32 parameters, sums and statistics"}
}

// finetuneDeviceFlags are deviceFlags in the words of training.
func finetuneDeviceFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "device", Value: "auto", Usage: "auto, cpu, cuda or cuda:N"},
		&urfave.IntFlag{Name: "workers", Usage: "goroutines that decode", DefaultText: "one for each CPU"},
		&urfave.StringFlag{Name: "ort-lib", Usage: "`FILE` of libonnxruntime to use (default: look for it)"},
		&urfave.StringFlag{Name: "decoder", Value: "auto", Usage: "JPEG decoder: auto, turbojpeg or go"},
		decodeMemoryFlag(),
	}
}

func finetuneOptions(c *urfave.Context) (finetune.Options, error) {
	device, err := ort.ParseDevice(c.String("device"))
	if err != nil {
		return finetune.Options{}, err
	}
	network, err := networkOptions(c)
	if err != nil {
		return finetune.Options{}, err
	}
	o := finetune.Options{
		Network: network,
		Data:    c.String("data"), Out: c.String("out"), Force: c.Bool("force"), Resume: c.Bool("resume"), Scratch: c.Bool("scratch"), HeadOnly: c.Bool("head-only"),
		Epochs: c.Int("epochs"), BatchSize: c.Int("batch-size"), Accumulate: c.Int("accumulate"), LR: c.Float64("lr"),
		Optimizer: optimizer(c), Schedule: c.String("schedule"), StepEpochs: c.Int("step-epochs"), WarmupEpochs: c.Float64("warmup-epochs"),
		LabelSmoothing: c.Float64("label-smoothing"), ClassWeights: c.String("class-weights"), ClipGradNorm: c.Float64("clip-grad-norm"),
		EMA: c.Float64("ema"), HeadMultiplier: c.Float64("head-lr-multiplier"), FrozenBN: c.Bool("frozen-bn"), Precision: c.String("precision"),
		Seed: c.Uint64("seed"), Device: device, Workers: c.Int("workers"), Library: c.String("ort-lib"), Decoder: c.String("decoder"),
		EXIF: c.String("exif"), OnBadImage: c.String("on-bad-image"), TrainSplit: c.String("train-split"), ValSplit: c.String("val-split"),
		Extensions: c.StringSlice("extensions"), NoFollowLinks: c.Bool("no-follow-links"), DecodeMemory: decodeMemory(c),
		CheckpointSteps: c.Int("checkpoint-steps"), FxVersion: version(),
	}
	o.Trainable, err = trainable(c)
	return o, err
}

// adamwDecay is torch.optim.AdamW's default.
const adamwDecay = 0.01

// optimizer reads the optimizer's flags. AdamW's defaults are torch's.
func optimizer(c *urfave.Context) artifacts.Optimizer {
	o := artifacts.Optimizer{
		Name: c.String("optimizer"), Momentum: c.Float64("momentum"), Nesterov: c.Bool("nesterov"), WeightDecay: c.Float64("weight-decay"),
	}
	if o.Name == artifacts.AdamW && !c.IsSet("weight-decay") {
		o.WeightDecay = adamwDecay
	}
	if o.Name == artifacts.AdamW && !c.IsSet("momentum") {
		o.Momentum = 0
	}
	return o
}

// trainable reads which parameters are to learn: exactly one of three flags.
func trainable(c *urfave.Context) ([]string, error) {
	given := 0
	for _, set := range []bool{c.Bool("all-params"), c.Bool("head-only"), c.String("trainable") != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, fail.New(fail.Usage, "Give one of --all-params, --head-only and --trainable 'PATTERN,…'.", "%s must be told which parameters learn", c.Command.HelpName)
	}
	return patterns(c.String("trainable")), nil
}

// patterns splits a list at its commas; an empty one is nil.
func patterns(text string) []string {
	if text == "" {
		return nil
	}
	var all []string
	for _, p := range strings.Split(text, ",") {
		all = append(all, strings.TrimSpace(p))
	}
	return all
}

func printFinetune(w io.Writer, r finetune.Result) {
	printLeftOut(w, "", r.Rejected, r.Skipped)
	for _, e := range r.Epochs {
		fmt.Fprintf(w, "epoch %3d  train loss %.4f acc %.4f %7.1f images/s   val loss %.4f acc %.4f %7.1f images/s\n",
			e.Epoch, e.TrainLoss, e.TrainAccuracy, e.TrainImagesPerSecond, e.ValLoss, e.ValAccuracy, e.ValImagesPerSecond)
	}
	fmt.Fprintf(w, "best val accuracy %.4f in epoch %d of %d; %d parameters trained on %d photos in %.1f s on %s\n",
		r.BestValAccuracy, r.BestEpoch, len(r.Epochs), r.ParametersTrained, r.TrainPhotos, r.Seconds, r.Provider)
	if len(r.Rejected)+len(r.Skipped) > 0 {
		fmt.Fprintf(w, "%d photos rejected, %d files skipped\n", len(r.Rejected), len(r.Skipped))
	}
	printNotes(w, r.Notes)
	fmt.Fprintf(w, "model: %s\n", r.Run)
}
