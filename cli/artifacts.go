package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/finetune"
	"fx/finetune/autodiff"
	settings "fx/internal/training"
)

func artifactsCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "artifacts",
		Usage:       "write training graphs as ONNX files",
		Subcommands: []*urfave.Command{artifactsGenerateCommand(out), artifactsOpsCommand(out)},
	}
}

func artifactsGenerateCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "generate",
		Usage: "write the training graphs of a network, for your own training loop",
		Description: "The command writes to DIR: step_model.onnx (forward, loss, backward and update in one run), " +
			"the split form\n" +
			"training_model.onnx and optimizer_model.onnx, eval_model.onnx, and checkpoint/.",
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "backbone", Required: true,
				Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
			&urfave.StringFlag{Name: "out", Required: true, Usage: "`DIR` to write"}, forceFlag(),
			&urfave.IntFlag{Name: "classes", Required: true, Usage: "number of classes", DefaultText: "required"},
			lockFlag(),
			libraryFlag(),
		}, append(networkFlags(), settingFlags(settings.Fields(settings.Graph), settings.Graph)...)...),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			network, err := networkOptions(c)
			if err != nil {
				return err
			}
			env, err := environmentOf(c)
			if err != nil {
				return err
			}
			info, err := finetune.Generate(c.Context, finetune.GenerateOptions{
				Settings:    readSettings(c, settings.Fields(settings.Graph)),
				Environment: env, Network: network,
				Classes: c.Int("classes"), Out: c.String("out"), Force: c.Bool("force"),
			}, out.progress())
			if err != nil {
				return err
			}
			return out.result(info, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s for %d classes, %d of %d parameters learn, batches of %d\n",
					c.String("out"), info.Network, info.Classes, len(info.Trained), len(info.Parameters),
					info.Options.Batch)
				printNotes(w, info.Notes)
			})
		},
	}
}

func artifactsOpsCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "ops",
		Usage: "list the ONNX operators that fx can differentiate",
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
