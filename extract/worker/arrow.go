package worker

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"fx/internal/arrowmeta"
	"fx/internal/fail"
	"fx/internal/source"
)

// maxBatchRows limits a record batch: more is a damaged input, or one that would need too much memory.
const maxBatchRows = 1 << 20

// arrowInput is an Arrow stream.
type arrowInput struct {
	stream  *ipc.Reader
	photo   int    // index of the column with photos
	name    string // of that column
	kept    []int  // indices of the columns that are sent back
	fields  []arrow.Field
	batches int64 // that were read
}

func newArrowInput(r io.Reader) (*arrowInput, error) {
	stream, err := ipc.NewReaderFromMessageReader(&messages{r})
	if err != nil {
		return nil, damaged(err, "the schema")
	}
	a := &arrowInput{stream: stream, photo: -1}
	fields := stream.Schema().Fields()
	for _, name := range []string{"bytes", "image", "path"} {
		if a.photo < 0 {
			a.photo = slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == name })
			a.name = name
		}
	}
	if a.photo < 0 {
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		return nil, fail.New(fail.Usage, "Name the column of the photos bytes, image or path. "+docsHint,
			"none of the input's columns contains photos: %s", strings.Join(names, ", "))
	}
	if !containsPhotos(a.name, fields[a.photo].Type) {
		return nil, fail.New(fail.Usage, docsHint, "the input's column %s has the type %s, which contains no photos",
			a.name, fields[a.photo].Type)
	}
	for i, f := range fields {
		if i == a.photo && a.name != "path" {
			continue
		}
		if slices.Contains(answerNames, f.Name) {
			return nil, fail.New(fail.Usage, "Rename or drop it.",
				"the input has a column %s, which is one of the output's", f.Name)
		}
		a.kept, a.fields = append(a.kept, i), append(a.fields, f)
	}
	return a, nil
}

// containsPhotos reports whether a column of this name may have the type.
func containsPhotos(name string, t arrow.DataType) bool {
	if name == "path" {
		return isText(t)
	}
	if s, ok := t.(*arrow.StructType); ok && name == "image" {
		bytes, hasBytes := s.FieldByName("bytes")
		path, hasPath := s.FieldByName("path")
		return hasBytes && isBinary(bytes.Type) && (!hasPath || isText(path.Type))
	}
	return isBinary(t)
}

func isBinary(t arrow.DataType) bool {
	return t.ID() == arrow.BINARY || t.ID() == arrow.LARGE_BINARY || t.ID() == arrow.BINARY_VIEW
}

func isText(t arrow.DataType) bool {
	return t.ID() == arrow.STRING || t.ID() == arrow.LARGE_STRING || t.ID() == arrow.STRING_VIEW
}

func (a *arrowInput) columns() []arrow.Field { return a.fields }

func (a *arrowInput) read() (b *batch, err error) {
	place := fmt.Sprintf("batch %d", a.batches)
	defer func() { // of offsets and counts that are wrong
		if r := recover(); r != nil {
			b, err = nil, damaged(fmt.Errorf("%v", r), place)
		}
	}()
	record, err := a.stream.Read()
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, io.EOF
	} else if errors.Is(err, arrowmeta.ErrCompressed) {
		return nil, fail.Wrap(fail.Usage, err, docsHint, "the input")
	} else if fail.BySystem(err) {
		return nil, readError(err)
	} else if err != nil {
		return nil, damaged(err, place)
	}
	if record.NumRows() > maxBatchRows {
		return nil, fail.New(fail.Rejected, "Send smaller batches: some hundreds of rows are enough.",
			"%s has %d rows, and %d are allowed", place, record.NumRows(), maxBatchRows)
	}
	record.Retain() // the next call releases it
	b = &batch{kept: make([]arrow.Array, len(a.kept))}
	for i, column := range record.Columns() {
		if err := validate(column, record.NumRows()); err != nil {
			return nil, damaged(err, place)
		}
		b.bytes += int64(column.Data().SizeInBytes())
		if k := slices.Index(a.kept, i); k >= 0 {
			b.kept[k] = column
		}
	}
	b.photos = a.photos(record.Column(a.photo), int(record.NumRows()))
	a.batches++
	return b, nil
}

// validate checks the length of a column, and the offsets if its type has some.
func validate(column arrow.Array, rows int64) error {
	if int64(column.Len()) != rows {
		return fmt.Errorf("%d rows, and a column of %d", rows, column.Len())
	}
	if c, ok := column.(interface{ ValidateFull() error }); ok {
		return c.ValidateFull()
	}
	return nil
}

// photos returns the photos of a column.
func (a *arrowInput) photos(column arrow.Array, rows int) []source.Source {
	content, paths := column, column
	if s, ok := column.(*array.Struct); ok {
		content, paths = structField(s, "bytes"), structField(s, "path")
	}
	all := make([]source.Source, rows)
	for i := range all {
		data, hasData := content.(interface{ Value(int) []byte })
		path, hasPath := paths.(interface{ Value(int) string })
		switch {
		case column.IsNull(i):
			all[i] = absent("column " + a.name + " is null")
		case hasData && content.IsValid(i):
			all[i] = source.Bytes{Name: rowName(i, a.batches), Data: data.Value(i)}
		case hasPath && paths.IsValid(i):
			all[i] = source.File(path.Value(i))
		default:
			all[i] = absent("column " + a.name + " has neither bytes nor a path")
		}
	}
	return all
}

// structField returns a field of a column, or nil.
func structField(s *array.Struct, name string) arrow.Array {
	if i, ok := s.DataType().(*arrow.StructType).FieldIdx(name); ok {
		return s.Field(i)
	}
	return nil
}
