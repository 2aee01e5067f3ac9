package worker

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"fx/extract"
	"fx/internal/imaging"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/userfile"
)

// Options of Run. All but Embedder are those of extract.Options.
type Options struct {
	Embedder        extract.EmbedderOptions
	EXIF            string
	FastDecode      bool
	TimeoutPerPhoto time.Duration
}

// Summary counts the rows that were answered.
type Summary struct {
	Rows   int64
	Errors int64 // of Rows: without an embedding
}

// Run loads the network once, reads rows from in and writes a row for each to out, until in ends. The end of ctx ends
// the reading: the rows that were read are answered, and the error is nil. Errors: fail.Usage for columns that contain
// no photos; fail.Rejected for a damaged input, after the rows before the damage are answered; those of
// extract.OpenEmbedder, of out and of the system.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer, report progress.Reporter) (Summary, error) {
	decoder, err := o.Embedder.NewDecoder(imaging.Options{EXIF: o.EXIF, FastDecode: o.FastDecode})
	if err = cmp.Or(err, extract.CheckTimeout(o.TimeoutPerPhoto)); err != nil {
		return Summary{}, err
	}
	e, err := extract.OpenEmbedder(ctx, o.Embedder, report)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = e.Close() }() // nothing is written through it
	for _, note := range slices.Concat(e.Network.Found, e.Network.Notes) {
		report.Note(note)
	}
	report.Note(e.Network.Backbone.Name + " runs on " + e.Session().Why() + "; decoder: " + decoder.Name())
	rows, err := userfile.Abandon(ctx, func() (input, error) { return openInput(in) })
	if ctx.Err() != nil {
		return Summary{}, nil
	} else if err != nil {
		return Summary{}, err
	}
	return run(ctx, e, decoder.For(e.Preprocess().Resize), o.TimeoutPerPhoto, rows, out, report)
}

func run(ctx context.Context, e *extract.Embedder, decoder *imaging.Decoder, timeout time.Duration, rows input,
	out io.Writer, report progress.Reporter) (Summary, error) {
	task := report.Begin("embed", 0, "images")
	defer task.End()
	answers := newOutput(out, rows.columns(), e)
	q := newQueue(rows, 2*e.InFlight())
	defer q.stop()
	go q.fill(ctx) // in the background: it may wait for input that never comes
	// What was read is answered after the end of ctx, too.
	err := extract.Stream(context.WithoutCancel(ctx), e, decoder, timeout,
		func(running context.Context, n int) []source.Source { return q.take(running, ctx, n) },
		func(photos []extract.Embedding) error {
			task.Add(int64(len(photos)))
			for first := true; first || len(photos) > 0; first = false {
				n, complete := q.answer(len(photos))
				for _, photo := range photos[:n] {
					answers.add(photo)
				}
				photos = photos[n:]
				if complete == nil {
					continue
				}
				if err := answers.write(complete); err != nil {
					return err
				}
				q.forget(complete)
			}
			return nil
		})
	if err != nil {
		return answers.summary, err
	}
	return answers.summary, cmp.Or(answers.close(), q.err)
}
