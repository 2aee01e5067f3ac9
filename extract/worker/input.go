package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"fx/internal/fail"
	"fx/internal/source"
)

// batch is a record batch of the input.
type batch struct {
	photos []source.Source // of its rows
	kept   []arrow.Array   // the columns that are sent back
	bytes  int64           // in memory
}

// weight is the number of rows that b counts as while it waits.
func (b *batch) weight() int64 { return int64(max(1, len(b.photos))) }

// input reads record batches.
type input interface {
	// columns returns the fields of batch.kept.
	columns() []arrow.Field
	// read returns the next batch, or io.EOF after the last one.
	read() (*batch, error)
}

const docsHint = "docs/worker.md describes the input."

// openInput tells Arrow's streaming format from JSON lines, and reads the schema.
func openInput(in io.Reader) (input, error) {
	r := bufio.NewReaderSize(in, 1<<16)
	first, err := r.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readError(err)
	}
	switch {
	case len(first) == 0 || first[0] == '{' || first[0] == '\n' || first[0] == ' ':
		return &lineInput{from: r}, nil
	case first[0] == 0xff: // a message's continuation marker
		return newArrowInput(r)
	case first[0] == 'A':
		return nil, fail.New(fail.Usage, "Write Arrow's streaming format, as pyarrow.ipc.new_stream does.",
			"the input is no Arrow stream, but perhaps an Arrow file")
	}
	return nil, fail.New(fail.Usage, docsHint, "the input is neither an Arrow stream nor JSON lines: it begins with %q",
		first)
}

// readError is the error for an input that the system failed to read.
func readError(err error) error { return fail.Wrap(fail.KindOf(err), err, "", "cannot read the input") }

// damaged is the error for an input that is not what its format requires.
func damaged(err error, place string) error {
	return fail.Wrap(fail.Rejected, err, "All rows before it are answered. Send those after it again.",
		"the input is damaged in %s", place)
}

// absent is the source of a row without a photo. Its text is the reason.
type absent string

func (a absent) String() string                { return string(a) }
func (a absent) Stat() (source.Stat, error)    { return source.Stat{}, &source.Damaged{Reason: string(a)} }
func (a absent) Open() (source.Content, error) { return nil, &source.Damaged{Reason: string(a)} }

// rowName is the name of a row in messages. Rows and batches are counted from 0.
func rowName(row int, batch int64) string { return fmt.Sprintf("row %d of batch %d", row, batch) }
