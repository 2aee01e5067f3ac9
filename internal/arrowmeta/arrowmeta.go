package arrowmeta

import (
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// maxTables limits the fields of a schema.
const maxTables = 1 << 17

// ErrCompressed means that the values are compressed. arrow-go allocates whatever length they say they have.
var ErrCompressed = errors.New("its batches are compressed: write them without compression")

// Check checks the metadata of a message, a flatbuffer of Message.fbs. It returns ErrCompressed for a batch with
// compressed values, and another error if a list in the metadata does not lie within it.
func Check(metadata []byte) error {
	v := vetting{data: metadata}
	return v.message()
}

// vetting is the check of one message. The numbers of fields are those of Arrow's Message.fbs and Schema.fbs.
type vetting struct {
	data   []byte
	tables int
}

// slot returns the position of a field's offset in a table.
func slot(field int) flatbuffers.VOffsetT { return flatbuffers.VOffsetT(4 + 2*field) }

// message checks the metadata.
func (v *vetting) message() (err error) {
	defer func() { // of an offset beyond the end
		if r := recover(); r != nil {
			err = fmt.Errorf("the metadata of a message: %v", r)
		}
	}()
	message := flatbuffers.Table{Bytes: v.data, Pos: flatbuffers.GetUOffsetT(v.data)}
	if err := v.each(message, 4, nil); err != nil { // custom_metadata
		return err
	}
	header, ok := child(message, 2)
	if !ok {
		return nil
	}
	const schema, dictionaryBatch, recordBatch = 1, 2, 3
	switch message.GetByteSlot(slot(1), 0) {
	case schema:
		return errors.Join(v.list(header, 3, 8), v.each(header, 2, nil), v.each(header, 1, v.field))
	case dictionaryBatch:
		if header, ok = child(header, 1); !ok {
			return nil
		}
		return v.batch(header)
	case recordBatch:
		return v.batch(header)
	}
	return nil
}

func (v *vetting) batch(t flatbuffers.Table) error {
	if t.Offset(slot(3)) != 0 {
		return ErrCompressed
	}
	return errors.Join(v.list(t, 1, 16), v.list(t, 2, 16), v.list(t, 4, 8)) // nodes, buffers, variadicBufferCounts
}

func (v *vetting) field(t flatbuffers.Table) error {
	const union = 14
	if kind, ok := child(t, 3); ok && t.GetByteSlot(slot(2), 0) == union {
		if err := v.list(kind, 1, 4); err != nil { // typeIds
			return err
		}
	}
	return errors.Join(v.each(t, 6, nil), v.each(t, 5, v.field)) // custom_metadata, children
}

// child returns the table that a field refers to.
func child(t flatbuffers.Table, field int) (flatbuffers.Table, bool) {
	o := flatbuffers.UOffsetT(t.Offset(slot(field)))
	if o == 0 {
		return flatbuffers.Table{}, false
	}
	return flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(o + t.Pos)}, true
}

// list checks a list of values of size bytes.
func (v *vetting) list(t flatbuffers.Table, field, size int) error {
	o := flatbuffers.UOffsetT(t.Offset(slot(field)))
	if o == 0 {
		return nil
	}
	if n, start := t.VectorLen(o), int(t.Vector(o)); n < 0 || start > len(v.data) || n > (len(v.data)-start)/size {
		return fmt.Errorf("the metadata of a message of %d bytes has a list of %d values", len(v.data), n)
	}
	return nil
}

// each checks a list of tables, and calls check for each of them if it is not nil.
func (v *vetting) each(t flatbuffers.Table, field int, check func(flatbuffers.Table) error) error {
	if err := v.list(t, field, 4); err != nil {
		return err
	}
	o := flatbuffers.UOffsetT(t.Offset(slot(field)))
	if o == 0 || check == nil {
		return nil
	}
	for i := range t.VectorLen(o) {
		if v.tables++; v.tables > maxTables {
			return fmt.Errorf("the metadata of a message has more than %d fields", maxTables)
		}
		at := t.Vector(o) + flatbuffers.UOffsetT(4*i)
		if err := check(flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at)}); err != nil {
			return err
		}
	}
	return nil
}
