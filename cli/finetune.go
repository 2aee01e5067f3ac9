package cli

import (
	"fmt"
	"io"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"fx/finetune"
	"fx/internal/fail"
	settings "fx/internal/training"
)

func finetuneCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "finetune",
		Usage: "train any part or all of a network on a folder of photos",
		Description: "DIR contains train/ and val/ with one folder for each class. The defaults are those of " +
			"PyTorch's tutorial.\n" +
			"A finished RUN is a MODEL for fx eval, predict and export. --resume continues a stopped or killed " +
			"run:\n\n" +
			"   fx finetune --backbone resnet18 --data photos --all-params --out run\n" +
			"   fx finetune --backbone net.onnx --data photos --trainable 'head.*' --optimizer adamw --schedule " +
			"cosine --out run2",
		Flags: finetuneFlags(settings.Fields(settings.Network)),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			options, err := finetuneOptions(c, settings.Fields(settings.Network))
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

// finetuneFlags are what finetuneOptions reads, with the flags of some settings.
func finetuneFlags(of []settings.Field) []urfave.Flag {
	flags := []urfave.Flag{
		&urfave.StringFlag{Name: "backbone", Required: true, Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
		&urfave.StringFlag{Name: "data", Required: true, Usage: "`DIR` of photos"},
		&urfave.StringFlag{Name: "out", Required: true, Usage: "`RUN` folder to write"},
		&urfave.BoolFlag{Name: "force",
			Usage: "write to --out even if it contains something else, but not a run; " +
				"files with the names of the results are replaced"},
		&urfave.BoolFlag{Name: "resume",
			Usage: "continue the run in RUN, with the same bits as without the interruption"},
		lockFlag(),
		&urfave.BoolFlag{Name: "all-params", Usage: "train every parameter"},
	}
	flags = append(flags, settingFlags(of, settings.Network)...)
	return slices.Concat(flags, networkFlags(), photoFlags(), machineFlags())
}

func finetuneOptions(c *urfave.Context, of []settings.Field) (finetune.Options, error) {
	env, err := environmentOf(c)
	if err != nil {
		return finetune.Options{}, err
	}
	if err := oneOfTrainable(c); err != nil {
		return finetune.Options{}, err
	}
	network, err := networkOptions(c)
	if err != nil {
		return finetune.Options{}, err
	}
	return finetune.Options{
		Settings: readSettings(c, of), Environment: env, Network: network, Photos: photoOptions(c),
		Data: c.String("data"), Out: c.String("out"), Force: c.Bool("force"), Resume: c.Bool("resume"),
	}, nil
}

// oneOfTrainable asks for exactly one of the flags that say which parameters learn.
func oneOfTrainable(c *urfave.Context) error {
	given := 0
	for _, set := range []bool{c.Bool("all-params"), c.Bool("head-only"), c.String("trainable") != ""} {
		if set {
			given++
		}
	}
	const oneOf = "Give one of --all-params, --head-only and --trainable 'PATTERN,…'."
	switch {
	case given == 0:
		return fail.New(fail.Usage, oneOf, "%s must be told which parameters learn", c.Command.HelpName)
	case given > 1:
		return fail.New(fail.Usage, oneOf, "%s is told in %d ways which parameters learn", c.Command.HelpName, given)
	}
	return nil
}

func printFinetune(w io.Writer, r finetune.Result) {
	printLeftOut(w, "", r.Rejected, r.Skipped)
	for _, e := range r.Epochs {
		fmt.Fprintf(w, "epoch %3d  train loss %.4f acc %.4f %7.1f images/s   val loss %.4f acc %.4f %7.1f images/s\n",
			e.Epoch, e.TrainLoss, e.TrainAccuracy, e.TrainImagesPerSecond,
			e.ValLoss, e.ValAccuracy, e.ValImagesPerSecond)
	}
	fmt.Fprintf(w, "best val accuracy %.4f in epoch %d of %d; %d parameters trained on %d photos in %.1f s on %s\n",
		r.BestValAccuracy, r.BestEpoch, len(r.Epochs), r.ParametersTrained, r.TrainPhotos, r.Seconds, r.Provider)
	if len(r.Rejected)+len(r.Skipped) > 0 {
		fmt.Fprintf(w, "%d photos rejected, %d files skipped\n", len(r.Rejected), len(r.Skipped))
	}
	printNotes(w, r.Notes)
	fmt.Fprintf(w, "model: %s\n", r.Run)
}
