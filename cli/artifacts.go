package cli

import (
	"fmt"
	"io"

	urfave "github.com/urfave/cli/v2"

	"fx/finetune/autodiff"
)

func artifactsCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:        "artifacts",
		Usage:       "training graphs as ONNX files, and what they may be made of",
		Subcommands: []*urfave.Command{artifactsOpsCommand(out)},
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
