package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"fx/internal/arrowmeta"
	"fx/internal/durable"
)

// arrowMagic begins Arrow's file format; its streaming format has no magic.
const arrowMagic = "ARROW1\x00\x00"

// listArrow lists the rows of an Arrow file or stream whose batches are not compressed. Nothing is copied: the file is
// mapped, and a photo is the part of it that a value refers to.
func (a *archive) listArrow(file *os.File, each func(Member) error) (err error) {
	data, err := durable.MapBytes(file, a.stat.Size)
	if err != nil {
		return a.damaged(err, "")
	}
	defer durable.UnmapBytes(data)
	defer func() { // of counts that are wrong
		if r := recover(); r != nil {
			err = a.damaged(fmt.Errorf("%v", r), "")
		}
	}()
	m := &mappedMessages{data: data}
	if len(data) >= len(arrowMagic) && string(data[:len(arrowMagic)]) == arrowMagic {
		m.at = len(arrowMagic) // the batches follow as in a stream
	}
	// Numbers of another byte order would be turned in place, where the mapped file can't be written to.
	r, err := ipc.NewReaderFromMessageReader(m, ipc.WithEnsureNativeEndian(false))
	if err != nil {
		return a.damaged(err, "")
	}
	defer r.Release()
	if !r.Schema().IsNativeEndian() {
		return a.noPhotos(errors.New("its numbers have the byte order of another kind of computer"))
	}
	t, err := newArrowTable(a, r.Schema())
	if err != nil {
		return a.noPhotos(err)
	}
	for r.Next() {
		if err := t.list(r.RecordBatch(), data, each); err != nil {
			return err
		}
	}
	if err := r.Err(); errors.Is(err, arrowmeta.ErrCompressed) {
		return a.noPhotos(err)
	} else if err != nil {
		return a.damaged(err, fmt.Sprintf("row %d", t.rows))
	}
	return nil
}

// mappedMessages are the messages in a mapped file.
type mappedMessages struct {
	data []byte
	at   int
}

func (*mappedMessages) Retain()  {}
func (*mappedMessages) Release() {}

// Message returns the next message, whose body lies in the mapped file.
func (m *mappedMessages) Message() (*ipc.Message, error) {
	const continued = 0xffffffff
	if m.at == len(m.data) {
		return nil, io.EOF // a stream may end without a mark
	}
	if len(m.data)-m.at < 8 {
		return nil, io.ErrUnexpectedEOF
	}
	length := binary.LittleEndian.Uint32(m.data[m.at+4:])
	if binary.LittleEndian.Uint32(m.data[m.at:]) != continued {
		return nil, errors.New("a message does not begin as one")
	}
	if length == 0 {
		return nil, io.EOF
	}
	m.at += 8
	if uint64(length) > uint64(len(m.data)-m.at) || length < 8 {
		return nil, io.ErrUnexpectedEOF
	}
	if err := arrowmeta.Check(m.data[m.at : m.at+int(length)]); err != nil {
		return nil, err
	}
	meta := memory.NewBufferBytes(m.data[m.at : m.at+int(length)])
	m.at += int(length)
	size := ipc.NewMessage(meta, memory.NewBufferBytes(nil)).BodyLen()
	if size < 0 || size > int64(len(m.data)-m.at) {
		return nil, io.ErrUnexpectedEOF
	}
	body := memory.NewBufferBytes(m.data[m.at : m.at+int(size)])
	m.at += int(size)
	return ipc.NewMessage(meta, body), nil
}

// arrowTable is an Arrow file whose rows contain photos.
type arrowTable struct {
	*archive
	chosen  tableColumns
	columns []tableColumn
	fields  []int // of the schema, by column
	rows    int64
}

func newArrowTable(a *archive, schema *arrow.Schema) (*arrowTable, error) {
	t := &arrowTable{archive: a}
	add := func(field int, path []string, kind arrow.DataType) {
		c := tableColumn{path: path}
		switch kind.ID() {
		case arrow.BINARY, arrow.LARGE_BINARY:
			c.binary = true
		case arrow.STRING, arrow.LARGE_STRING, arrow.INT64, arrow.INT32, arrow.INT16, arrow.INT8, arrow.UINT8:
			c.label = true
		}
		t.columns, t.fields = append(t.columns, c), append(t.fields, field)
	}
	for i, f := range schema.Fields() {
		if s, ok := f.Type.(*arrow.StructType); ok {
			for _, inner := range s.Fields() {
				add(i, []string{f.Name, inner.Name}, inner.Type)
			}
			continue
		}
		add(i, []string{f.Name}, f.Type)
	}
	metadata := ""
	if i := schema.Metadata().FindKey("huggingface"); i >= 0 {
		metadata = schema.Metadata().Values()[i]
	}
	var err error
	t.chosen, err = chooseColumns(t.columns, metadata)
	return t, err
}

// column returns a column of a batch.
func (t *arrowTable) column(batch arrow.RecordBatch, i int) (arrow.Array, error) {
	whole := batch.Column(t.fields[i])
	if len(t.columns[i].path) == 1 {
		return whole, nil
	}
	s, ok := whole.(*array.Struct)
	if !ok {
		return nil, fmt.Errorf("column %s is no struct", t.columns[i].path[0])
	}
	field, ok := s.DataType().(*arrow.StructType).FieldIdx(t.columns[i].path[1])
	if !ok {
		return nil, fmt.Errorf("column %s has no field %s", t.columns[i].path[0], t.columns[i].path[1])
	}
	return s.Field(field), nil
}

// list lists the rows of a batch, whose values lie in data.
func (t *arrowTable) list(batch arrow.RecordBatch, data []byte, each func(Member) error) error {
	damaged := func(err error) error { return t.damaged(err, fmt.Sprintf("row %d", t.rows)) }
	images, err := t.column(batch, t.chosen.image)
	if err != nil {
		return damaged(err)
	}
	var labels arrow.Array
	if t.chosen.label >= 0 {
		if labels, err = t.column(batch, t.chosen.label); err != nil {
			return damaged(err)
		}
	}
	const width = 10 // of the rows' names: their number is known only at the end
	for i := range int(batch.NumRows()) {
		m := Member{Name: fmt.Sprintf("%0*d", width, t.rows), Row: true}
		t.rows++
		if labels != nil && labels.IsValid(i) {
			if m.Label, err = t.label(labels, i); err != nil {
				return damaged(err)
			}
		}
		var value []byte
		switch c := images.(type) {
		case *array.Binary:
			value = c.Value(i)
		case *array.LargeBinary:
			value = c.Value(i)
		}
		offset := uintptr(unsafe.Pointer(unsafe.SliceData(value))) - uintptr(unsafe.Pointer(unsafe.SliceData(data)))
		switch {
		case images.IsNull(i) || len(value) == 0:
			m.Refused = "the row has no bytes of a photo"
		case offset > uintptr(len(data)) || uintptr(len(value)) > uintptr(len(data))-offset:
			return t.noPhotos(errors.New("its values lie outside of the file"))
		default:
			m.Size = int64(len(value))
			m.At = &piece{of: t.archive, name: m.Name, offset: int64(offset), size: m.Size}
		}
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// label returns the label in row i, which is not null.
func (t *arrowTable) label(labels arrow.Array, i int) (string, error) {
	switch c := labels.(type) {
	case *array.String:
		return string(append([]byte(nil), c.Value(i)...)), nil // a copy: the file is unmapped
	case *array.LargeString:
		return string(append([]byte(nil), c.Value(i)...)), nil
	case *array.Int64:
		return t.chosen.className(c.Value(i))
	case *array.Int32:
		return t.chosen.className(int64(c.Value(i)))
	case *array.Int16:
		return t.chosen.className(int64(c.Value(i)))
	case *array.Int8:
		return t.chosen.className(int64(c.Value(i)))
	case *array.Uint8:
		return t.chosen.className(int64(c.Value(i)))
	}
	return "", fmt.Errorf("labels of type %s", labels.DataType())
}
