// Trainstep measures one training step of fx, and what it spends its time on:
//
//	go run ./bench/trainstep step --backbone resnet18
//	go run ./bench/trainstep profile --backbone resnet18
//
// Both train on photos made of noise, through the code of `fx finetune`, from
// its seeded weights. step prints a measurement as JSON, profile a table by
// operator as Markdown.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"fx/internal/fail"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "trainstep:", err)
	if hint := fail.HintOf(err); hint != "" {
		fmt.Fprintln(os.Stderr, "  "+hint)
	}
	stop()
	os.Exit(int(fail.KindOf(err)))
}

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
	if err := parse(o.flags("trainstep step", stderr), args); err != nil {
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
	if err := parse(flags, args); err != nil {
		return err
	}
	p, err := profile(ctx, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, p.text(o.nodes))
	return err
}

// parse reads flags and refuses arguments.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return fail.Wrap(fail.Usage, err, "", "flags")
	}
	if flags.NArg() > 0 {
		return fail.New(fail.Usage, "", "unknown argument %q", flags.Arg(0))
	}
	return nil
}
