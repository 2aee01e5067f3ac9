package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"fx/internal/fail"
)

// Main runs a program and exits with the code of its error's kind.
// Ctrl+C and SIGTERM end ctx. args are the command line without the program's name.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if code := Report(name, err, os.Stderr); code != 0 {
		os.Exit(code)
	}
}

// Parse parses a command line that has only flags. Errors are of kind fail.Usage, or flag.ErrHelp.
func Parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return fail.Wrap(fail.Usage, err, helpHint, "command line")
	case flags.NArg() > 0:
		return fail.New(fail.Usage, helpHint, "unknown argument %q", flags.Arg(0))
	}
	return nil
}

const helpHint = "--help lists the flags."

// Report writes err, with its hint, and returns the exit code: 0 if there is no error or
// --help was given.
func Report(name string, err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if hint := fail.HintOf(err); hint != "" {
		fmt.Fprintln(stderr, "  "+hint)
	}
	return int(fail.KindOf(err))
}
