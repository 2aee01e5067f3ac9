package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"fx/extract/worker"
	"fx/internal/fail"
)

func workerCommand(out *output) *urfave.Command {
	return &urfave.Command{
		Name:  "worker",
		Usage: "embed photos for another program: rows on stdin, a row for each on stdout",
		Description: "Standard input is an Arrow stream with a column bytes, image or path, or JSON lines such as\n" +
			`{"path": "photo.jpg", "key": "17"}. Standard output is an Arrow stream with the other columns,` + "\n" +
			"sha256, embedding and error. A photo that can't be used has an error, and the next row follows.\n" +
			"SIGTERM ends the reading; what was read is answered. docs/worker.md describes the streams and exit codes.",
		Flags: slices.Concat([]urfave.Flag{
			&urfave.StringFlag{Name: "backbone", Required: true,
				Usage: "a `NAME` of `fx backbones list`, or an ONNX file"},
			exifFlag(), fastDecodeFlag(), timeoutPerPhotoFlag(),
		}, networkFlags(), sizeFlags(), deviceFlags()),
		Action: func(c *urfave.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			out.reported = true // stdout is for Arrow
			if out.json {
				return fail.New(fail.Usage, "Leave it out.", "fx worker writes Arrow, and has no --json")
			}
			if f, ok := c.App.Reader.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				return fail.New(fail.Usage, "Pipe rows to it: docs/worker.md has examples.",
					"fx worker reads from another program, and standard input is a terminal")
			}
			embedder, err := embedderOptions(c)
			if err != nil {
				return err
			}
			watch, interrupted := out.progress(), interruption(c)
			summary, err := worker.Run(c.Context, worker.Options{
				Embedder: embedder, EXIF: c.String("exif"), FastDecode: c.Bool("fast-decode"),
				TimeoutPerPhoto: c.Duration("timeout-per-photo"),
			}, c.App.Reader, out.arrow, watch)
			if summary.Rows > 0 {
				watch.Note(fmt.Sprintf("%d rows answered, %d of them with an error", summary.Rows, summary.Errors))
			}
			if c.Context.Err() == nil || err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			if interrupted() {
				return fail.New(fail.Interrupted, "What was read is answered, and the stream is complete.",
					"interrupted")
			}
			return nil
		},
	}
}

// interruption returns a function that reports, after the end of c's context, whether Ctrl+C ended it, not SIGTERM.
func interruption(c *urfave.Context) func() bool {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	stop := func() { signal.Stop(signals) } // returns once signals has the one that ended the context
	context.AfterFunc(c.Context, stop)      // so that a second one ends fx at once
	return func() bool {
		stop()
		select {
		case s := <-signals:
			return s == os.Interrupt
		default:
			return false
		}
	}
}
