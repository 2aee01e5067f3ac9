package worker

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"fx/internal/fail"
	"fx/internal/source"
)

const (
	maxLines = 64      // in a batch, which has those that are there
	maxLine  = 1 << 20 // bytes
)

// lineInput is JSON lines, such as {"path": "photo.jpg", "key": "17"}.
type lineInput struct {
	from  *bufio.Reader
	count int64 // of the lines that were read
	err   error // of the line after the last batch
}

type line struct {
	Path *string         `json:"path"`
	Key  json.RawMessage `json:"key"`
}

func (l *lineInput) columns() []arrow.Field {
	return []arrow.Field{
		{Name: "path", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "key", Type: arrow.BinaryTypes.String, Nullable: true},
	}
}

// read returns the lines that are there. An error comes after the lines before it.
func (l *lineInput) read() (*batch, error) {
	b := &batch{}
	paths := array.NewStringBuilder(memory.DefaultAllocator)
	keys := array.NewStringBuilder(memory.DefaultAllocator)
	for l.err == nil && (len(b.photos) == 0 || len(b.photos) < maxLines && l.ready()) {
		text, err := l.next()
		if err != nil {
			l.err = err
			break
		}
		l.count++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		parsed, key, err := parseLine(text)
		if err != nil {
			l.err = damaged(err, fmt.Sprintf("line %d", l.count))
			break
		}
		b.bytes += int64(len(text))
		if parsed.Path == nil {
			paths.AppendNull()
			b.photos = append(b.photos, absent("the line has no path"))
		} else {
			paths.Append(*parsed.Path)
			b.photos = append(b.photos, source.File(*parsed.Path))
		}
		if key == nil {
			keys.AppendNull()
		} else {
			keys.Append(*key)
		}
	}
	if len(b.photos) == 0 {
		return nil, l.err
	}
	b.kept = []arrow.Array{paths.NewArray(), keys.NewArray()}
	return b, nil
}

// ready reports whether the next line is in memory.
func (l *lineInput) ready() bool {
	there, _ := l.from.Peek(l.from.Buffered())
	return bytes.IndexByte(there, '\n') >= 0
}

// next returns the next line, or io.EOF after the last one.
func (l *lineInput) next() (text []byte, err error) {
	for {
		part, err := l.from.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > maxLine:
			return nil, damaged(fmt.Errorf("it is longer than %d bytes", maxLine), fmt.Sprintf("line %d", l.count+1))
		case err == nil || errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, readError(err)
		}
	}
}

// parseLine returns a line and its key, which is a string or a number's digits; nil without one.
func parseLine(text []byte) (l line, key *string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, nil, errors.New("there is more than one JSON value")
	}
	var number json.Number
	switch {
	case len(l.Key) == 0 || string(l.Key) == "null":
		return l, nil, nil
	case json.Unmarshal(l.Key, &key) == nil:
		return l, key, nil
	case json.Unmarshal(l.Key, &number) == nil:
		digits := number.String()
		return l, &digits, nil
	}
	return l, nil, fail.New(fail.Rejected, "", "the key is neither a string nor a number")
}
