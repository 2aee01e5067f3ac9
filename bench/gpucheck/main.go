// Gpucheck proves on a machine with an NVIDIA GPU that extraction on CUDA gives
// the features of the CPU, and times it. It installs nothing:
//
//	bin/fx runtime install --gpu
//	go run ./bench/gpucheck --fx bin/fx --out out/gpu-check.md
//
// For each registered backbone with the weights seed:0 it runs `fx extract` on
// the CPU, on CUDA with fx's own options (TF32 allowed, as in PyTorch), and on
// CUDA without TF32; then the network alone, without photos. It writes a table
// and exits with 1 where features differ by more than the tolerance, and with 7
// where there is no GPU to check.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"fx/backbones"
	"fx/internal/durable"
	"fx/internal/fail"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "gpucheck:", err)
	if hint := fail.HintOf(err); hint != "" {
		fmt.Fprintln(os.Stderr, "  "+hint)
	}
	stop()
	os.Exit(int(fail.KindOf(err)))
}

// options are the flags.
type options struct {
	fx, data, out, device string
	backbones             []string
	batch                 int
	tolerance             float64
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{data: os.Getenv("FX_DATA_DIR")}
	flags := flag.NewFlagSet("gpucheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.fx, "fx", "bin/fx", "the fx to check")
	flags.StringVar(&o.data, "data", o.data, "folder of photos (default: $FX_DATA_DIR, else pictures drawn here)")
	flags.StringVar(&o.out, "out", "out/gpu-check.md", "file for the table")
	flags.StringVar(&o.device, "device", "cuda", "device to check; cpu rehearses the check without a GPU")
	names := flags.String("backbones", "", "comma-separated names (default: all)")
	flags.IntVar(&o.batch, "batch-size", 32, "photos in one run of the network")
	flags.Float64Var(&o.tolerance, "tolerance", 1e-3, "largest relative L2 distance of a photo's features")
	if err := flags.Parse(args); err != nil {
		return o, fail.Wrap(fail.Usage, err, "", "flags")
	}
	if flags.NArg() > 0 {
		return o, fail.New(fail.Usage, "", "unknown argument %q", flags.Arg(0))
	}
	for _, b := range backbones.All() {
		o.backbones = append(o.backbones, b.Name)
	}
	if *names != "" {
		o.backbones = strings.Split(*names, ",")
	}
	fx, err := filepath.Abs(o.fx)
	o.fx = fx
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	machine, err := examine(ctx, o)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "gpucheck-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // stores of this run only
	photos := o.data
	if photos == "" {
		if photos, err = drawPhotos(filepath.Join(scratch, "photos")); err != nil {
			return err
		}
	}
	table := newTable(machine, o)
	var failed []string
	for _, name := range o.backbones {
		fmt.Fprintf(stderr, "gpucheck: %s\n", name)
		r, err := check(ctx, o, name, photos, filepath.Join(scratch, name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !r.within(o.tolerance) {
			failed = append(failed, name)
		}
		table.add(r)
		if err := os.RemoveAll(filepath.Join(scratch, name)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	if err := durable.WriteBytes(o.out, []byte(table.text())); err != nil {
		return err
	}
	fmt.Fprint(stdout, table.text())
	if len(failed) > 0 {
		return errors.New("features differ from the CPU's by more than the tolerance: " + strings.Join(failed, ", "))
	}
	return nil
}
