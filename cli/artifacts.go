package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/finetune"
	"fx/finetune/artifacts"
	"fx/finetune/autodiff"
)

func artifactsCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "artifacts",
		Usage:       "training graphs as ONNX files, and what they may be made of",
		Subcommands: []*urfave.Command{artifactsGenerateCommand(out), artifactsOpsCommand(out)},
	}
}

func artifactsGenerateCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "generate",
		Usage: "write the training graphs of a network for a training loop elsewhere",
		Description: "DIR receives step_model.onnx (forward, loss, backward and update in one run), the split form\n" +
			"training_model.onnx and optimizer_model.onnx, eval_model.onnx and checkpoint/.",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "backbone", Required: true, Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`DIR` to write"}, forceFlag(),
			&urfave.IntFlag{Name: "classes", Usage: "of the classifier"},
			&urfave.StringFlag{Name: "weights", Usage: "weights `FILE` (.safetensors, .pth), or seed:N; default: look for the official ones"},
			lockFlag(),
			&urfave.BoolFlag{Name: "head-only", Usage: "train the classifier alone (default: every parameter)"},
			&urfave.StringFlag{Name: "trainable", Usage: "train the parameters that match one of the `PATTERNS`, such as 'layer4.*,fc.*'"},
			&urfave.IntFlag{Name: "batch-size", Value: 8, Usage: "photos a step: fixed in the graphs"},
			&urfave.StringFlag{Name: "optimizer", Value: artifacts.SGD, Usage: "sgd or adamw"},
			&urfave.Float64Flag{Name: "momentum", Value: 0.9, Usage: "sgd: momentum"},
			&urfave.BoolFlag{Name: "nesterov", Usage: "sgd: Nesterov's momentum"},
			&urfave.Float64Flag{Name: "weight-decay", Usage: "sgd: added to the gradient, times the parameter; adamw: decoupled, 0.01 unless given"},
			&urfave.Float64Flag{Name: "label-smoothing", Usage: "share of the target that is spread over all classes"},
			&urfave.Float64Flag{Name: "clip-grad-norm", Usage: "bound on the norm of all gradients together"},
			&urfave.Float64Flag{Name: "ema", Usage: "`DECAY` of a moving average of the weights"},
			&urfave.Float64Flag{Name: "head-lr-multiplier", Value: 1, Usage: "of the learning rate, for the classifier"},
			&urfave.BoolFlag{Name: "frozen-bn", Usage: "batch normalization keeps its running statistics"},
			precisionFlag(),
			&urfave.IntFlag{Name: "resize", Usage: "pixels of the shorter side after resizing (default: the network's)"},
			&urfave.IntFlag{Name: "crop", Usage: "pixels of the network's input (default: the network's own)"},
			&urfave.StringFlag{Name: "feature-tensor", Usage: "of an ONNX file: the `NAME` of the tensor that its classifier takes, where it does not say so"},
			&urfave.Uint64Flag{Name: "seed", Usage: "of the new classifier"},
			&urfave.StringFlag{Name: "ort-lib", Usage: "`FILE` of libonnxruntime to use (default: look for it)"},
		},
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			network, err := networkOptions(c)
			if err != nil {
				return err
			}
			info, err := finetune.Generate(c.Context, finetune.GenerateOptions{
				Network: network,
				Classes: c.Int("classes"), HeadOnly: c.Bool("head-only"), Seed: c.Uint64("seed"), Out: c.String("out"), Force: c.Bool("force"), Library: c.String("ort-lib"),
				Graph: artifacts.Options{
					Trainable: patterns(c.String("trainable")), Optimizer: optimizer(c), Batch: c.Int("batch-size"),
					FrozenBatchNorm: c.Bool("frozen-bn"), LabelSmoothing: c.Float64("label-smoothing"),
					ClipGradNorm: c.Float64("clip-grad-norm"), EMA: c.Float64("ema"), HeadMultiplier: c.Float64("head-lr-multiplier"),
					Precision: c.String("precision"),
				},
			}, out.progress())
			if err != nil {
				return err
			}
			return out.result(info, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s for %d classes, %d of %d parameters learn, batches of %d\n",
					c.String("out"), info.Network, info.Classes, len(info.Trained), len(info.Parameters), info.Options.Batch)
				printNotes(w, info.Notes)
			})
		},
	}
}

func artifactsOpsCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "ops",
		Usage: "list the ONNX operators that a network to be trained may hold",
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			ops := autodiff.Ops()
			return out.result(ops, func(w io.Writer) {
				for _, op := range ops {
					fmt.Fprintf(w, "%-24s %s\n", op.Op, op.Group)
				}
			})
		},
	}
}
