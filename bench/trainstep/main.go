// Trainstep measures one training step of fx, and its time by operator:
//
//	bin/trainstep step --backbone resnet18
//	bin/trainstep profile --backbone resnet18
//
// It trains on photos made of noise, through the code of `fx finetune`, from its
// seeded weights. step prints a measurement as JSON, profile a table by operator as
// Markdown. peers/ does the same with PyTorch, onnxruntime-training and onnxsim;
// `versus --only train` compares them.
package main

import (
	"context"
	"encoding/json"
	"io"

	"fx/bench/internal/program"
	"fx/internal/fail"
)

func main() { program.Main("trainstep", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "step":
		return stepCommand(ctx, args, stdout, stderr)
	case "profile":
		return profileCommand(ctx, args, stdout, stderr)
	}
	return fail.New(fail.Usage, "The commands are step and profile; each has --help.", "unknown command %q", name)
}

func stepCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o stepOptions
	if err := program.Parse(o.flags("trainstep step", stderr), args); err != nil {
		return err
	}
	m, err := measure(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(m)
}

func profileCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o profileOptions
	flags := o.flags("trainstep profile", stderr)
	flags.IntVar(&o.nodes, "nodes", 10, "how many of the slowest nodes to list")
	flags.StringVar(&o.keep, "keep", "", "`FILE` for ONNX Runtime's own profile, for chrome://tracing")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	p, err := profileSteps(ctx, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, p.Text(o.nodes))
	return err
}
