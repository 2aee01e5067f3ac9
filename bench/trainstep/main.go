// Trainstep measures one training step of fx, says what it spends its time on,
// and sets it beside PyTorch, onnxruntime-training and onnxsim:
//
//	bin/trainstep step --backbone resnet18
//	bin/trainstep profile --backbone resnet18
//	bin/trainstep compare --networks resnet18,alexnet
//
// All train on photos made of noise, fx through the code of `fx finetune`, from
// its seeded weights. step prints a measurement as JSON, profile a table by
// operator as Markdown. compare runs every peer in turns, each time in a fresh
// process, and writes tables as Markdown; it installs the peers into .cache.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/bench/internal/program"
	"fx/internal/durable"
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
	case "compare":
		return compareCommand(ctx, args, stdout, stderr)
	}
	return fail.New(fail.Usage, "The commands are step, profile and compare; each has --help.", "unknown command %q", name)
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
	p, err := profileSteps(ctx, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, p.Text(o.nodes))
	return err
}

func compareCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	log := func(format string, args ...any) { fmt.Fprintf(stderr, "trainstep: "+format+"\n", args...) }
	c, w := comparison{log: log}, workshop{log: log}
	flags := flag.NewFlagSet("trainstep compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	c.options.common(flags)
	networks := flags.String("networks", "squeezenet1_1,squeezenet1_0,resnet18,alexnet,vgg11_bn,densenet121", "comma-separated `NAMES`")
	peers := flags.String("peers", strings.Join(peerNames, ","), "comma-separated `NAMES`")
	flags.IntVar(&c.rounds, "rounds", 3, "processes of each peer")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Minute, "for one process")
	flags.BoolVar(&c.profile, "profile", true, "say where fx's time goes")
	out := flags.String("out", "out/bench-train.md", "`FILE` for the tables")
	results := flags.String("results", "", "JSON `FILE` that holds earlier results, which these are added to")
	flags.StringVar(&w.cache, "cache", ".cache/bench-train", "`FOLDER` for the peers' packages and networks")
	flags.StringVar(&w.scripts, "scripts", "bench/trainstep/peers", "`FOLDER` of the peers' scripts")
	flags.StringVar(&w.torch, "torch-python", "", "a `PYTHON` that has torch, torchvision and onnx, instead of installing them")
	if err := parse(flags, args); err != nil {
		return err
	}
	if err := c.options.check(); err != nil {
		return err
	}
	if c.rounds < 1 {
		return fail.New(fail.Usage, "", "--rounds %d", c.rounds)
	}
	w.options, c.networks = c.options, strings.Split(*networks, ",")
	var all, measured []result
	var err error
	if c.peers, err = w.peers(strings.Split(*peers, ",")); err != nil {
		return err
	}
	if *results != "" {
		if all, err = readResults(*results); err != nil {
			return err
		}
	}
	if measured, err = c.run(ctx); err != nil {
		return err
	}
	if all, err = merge(all, measured); err != nil {
		return err
	}
	if *results != "" {
		if err := writeResults(*results, all); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	text := tables(all, time.Now())
	if err := durable.WriteBytes(*out, []byte(text)); err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
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
