package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Shards are written with arrow-go but read by the code below. arrow-go's reader (18.8.0) allocates as much as the
// counts in a file request, unchecked, so one wrong count ends the process. All shards have the same layout, and every
// number is checked before it is used. A test compares with arrow-go.

var (
	// errForeign means that a shard is whole but belongs to another store.
	errForeign = errors.New("it belongs to another store: the model, weights or preprocessing that made it differ " +
		"from the manifest's")

	errStructure = errors.New("its Arrow structure is not that of an embedding store")
)

// The columns are in the order of layout.schema. Each has a node (length and nulls) and a validity bitmap, unused
// without nulls, before its other buffers.
const (
	columnNodes   = 8 // seven columns, and the values inside the list
	columnBuffers = 4*3 + 2*2 + 1 + 2
	labelBuffers  = 4 * 3
	viewBuffers   = labelBuffers + 2
	valueBuffers  = viewBuffers + 2 + 1
)

// decodeShard returns the rows in the bytes of a shard, and the offset of their embeddings in file, a multiple of 8.
// Strings do not refer to file. The error is for bytes that are not a shard of layout l.
func decodeShard(l layout, file []byte) (rows []record, embeddings uint64, err error) {
	schema, footer, err := frame(file)
	if err != nil {
		return nil, 0, err
	}
	// The schema is only searched for the identity, which includes dtype and shape.
	if id := []byte(l.identity); !bytes.Contains(schema.of(file), id) || !bytes.Contains(footer.of(file), id) {
		return nil, 0, errForeign
	}
	b, err := findBatch(file, footer)
	if err != nil {
		return nil, 0, err
	}
	return b.decode(l)
}

// batch is the only record batch of a shard.
type batch struct {
	rows    int
	body    []byte // of the message
	at      int    // of body in the file
	buffers [columnBuffers][2]int
	nodes   [columnNodes][2]int
}

// findBatch follows the flatbuffers from the footer to the columns. The numbers of fields are those of Arrow's
// File.fbs and Message.fbs.
func findBatch(file []byte, where span) (*batch, error) {
	end := where.from
	footer := &flat{data: where.of(file)}
	root := footer.root()
	if _, dictionaries := footer.vector(root, 2, 24); dictionaries != 0 {
		return nil, errStructure
	}
	block, n := footer.vector(root, 3, 24) // struct Block: offset, metaDataLength, bodyLength
	if n != 1 {
		return nil, errStructure
	}
	at, meta, body := footer.int64(block), footer.int32(block+8), footer.int64(block+16)
	if footer.bad || at < 8 || meta < 16 || body < 0 || at > end || meta > end-at || body > end-at-meta {
		return nil, errStructure
	}
	b := &batch{at: at + meta, body: file[at+meta : at+meta+body]}
	m := &flat{data: file[at+8 : at+meta]} // after the continuation marker and the length
	message := m.root()
	kind := m.byteField(message, 1)
	header, ok := m.field(message, 2)
	if !ok || kind != 3 { // MessageHeader.RecordBatch
		return nil, errStructure
	}
	header += m.int32(header)
	if length, ok := m.field(header, 0); ok {
		b.rows = m.int64(length)
	}
	nodes, n := m.vector(header, 1, 16) // struct FieldNode: length, null_count
	if n != columnNodes {
		return nil, errStructure
	}
	for i := range b.nodes {
		b.nodes[i] = [2]int{m.int64(nodes + 16*i), m.int64(nodes + 16*i + 8)}
	}
	buffers, n := m.vector(header, 2, 16) // struct Buffer: offset, length
	if n != columnBuffers {
		return nil, errStructure
	}
	for i := range b.buffers {
		offset, size := m.int64(buffers+16*i), m.int64(buffers+16*i+8)
		if offset < 0 || size < 0 || offset > body || size > body-offset {
			return nil, errStructure
		}
		b.buffers[i] = [2]int{offset, size}
	}
	if _, compressed := m.field(header, 3); compressed || m.bad || b.rows < 1 {
		return nil, errStructure
	}
	return b, nil
}

// buffer returns buffer i, which must hold at least size bytes.
func (b *batch) buffer(i, size int) ([]byte, error) {
	at := b.buffers[i]
	if size < 0 || at[1] < size {
		return nil, errStructure
	}
	return b.body[at[0] : at[0]+at[1]], nil
}

func (b *batch) decode(l layout) ([]record, uint64, error) {
	// A row has at least the digits of its hash, so this bounds all products below.
	if b.rows > len(b.body)/(2*len(SHA256{})) {
		return nil, 0, errStructure
	}
	for i, n := range b.nodes {
		want := b.rows
		if i == columnNodes-1 {
			want *= l.values
		}
		if n[0] != want || n[1] != 0 {
			return nil, 0, errStructure
		}
	}
	rows := make([]record, b.rows)
	same := map[string]string{} // splits and classes repeat
	intern := func(text []byte) string {
		s, known := same[string(text)]
		if !known {
			s = string(text)
			same[s] = s
		}
		return s
	}
	for column, set := range []func(r *record, text []byte) error{
		func(r *record, text []byte) error { r.path = string(text); return nil },
		func(r *record, text []byte) (err error) { r.sha, err = parseSHA256(string(text)); return err },
		func(r *record, text []byte) error { r.class = intern(text); return nil },
		func(r *record, text []byte) error { r.split = intern(text); return nil },
	} {
		if err := b.texts(3*column, func(i int, text []byte) error { return set(&rows[i], text) }); err != nil {
			return nil, 0, err
		}
	}
	labels, errLabels := b.buffer(labelBuffers+1, 4*b.rows)
	views, errViews := b.buffer(viewBuffers+1, 4*b.rows)
	values, errValues := b.buffer(valueBuffers+1, l.rowBytes*b.rows)
	if err := errors.Join(errLabels, errViews, errValues); err != nil {
		return nil, 0, errStructure
	}
	for i := range rows {
		rows[i].label = int32(binary.LittleEndian.Uint32(labels[4*i:]))
		rows[i].view = int32(binary.LittleEndian.Uint32(views[4*i:]))
		if rows[i].view < 0 {
			return nil, 0, fmt.Errorf("row %d: view %d", i, rows[i].view)
		}
	}
	at := b.at + b.buffers[valueBuffers+1][0]
	if at%8 != 0 || len(values) != l.rowBytes*b.rows {
		return nil, 0, errStructure
	}
	return rows, uint64(at), nil
}

// texts calls f with each value of the utf8 column whose buffers begin at index first.
func (b *batch) texts(first int, f func(i int, text []byte) error) error {
	offsets, err := b.buffer(first+1, 4*(b.rows+1))
	if err != nil {
		return err
	}
	data, err := b.buffer(first+2, 0)
	if err != nil {
		return err
	}
	from := int(binary.LittleEndian.Uint32(offsets))
	for i := range b.rows {
		to := int(binary.LittleEndian.Uint32(offsets[4*(i+1):]))
		if from > to || to > len(data) {
			return errStructure
		}
		if err := f(i, data[from:to]); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		from = to
	}
	return nil
}

// flat reads a flatbuffer. An offset outside of data reads as 0 and sets bad. Source: "FlatBuffers internals",
// flatbuffers.dev.
type flat struct {
	data []byte
	bad  bool
}

func (f *flat) bytes(at, n int) []byte {
	if at < 0 || at > len(f.data)-n {
		f.bad = true
		return make([]byte, n)
	}
	return f.data[at : at+n]
}

func (f *flat) int32(at int) int { return int(int32(binary.LittleEndian.Uint32(f.bytes(at, 4)))) }
func (f *flat) int64(at int) int { return int(int64(binary.LittleEndian.Uint64(f.bytes(at, 8)))) }

// root returns the offset of the root table.
func (f *flat) root() int { return f.int32(0) }

// field returns the offset of field i of a table, and whether the field exists.
func (f *flat) field(table, i int) (int, bool) {
	vtable := table - f.int32(table)
	size := int(binary.LittleEndian.Uint16(f.bytes(vtable, 2)))
	if 4+2*i+2 > size {
		return 0, false
	}
	offset := int(binary.LittleEndian.Uint16(f.bytes(vtable+4+2*i, 2)))
	return table + offset, offset != 0
}

func (f *flat) byteField(table, i int) byte {
	at, ok := f.field(table, i)
	if !ok {
		return 0
	}
	return f.bytes(at, 1)[0]
}

// vector returns the offset of the elements in field i of a table, and their number: 0 if the vector is absent or does
// not fit.
func (f *flat) vector(table, i, size int) (at, n int) {
	at, ok := f.field(table, i)
	if !ok {
		return 0, 0
	}
	at += f.int32(at)
	n = f.int32(at)
	if n < 0 || at < 0 || n > (len(f.data)-at-4)/size {
		f.bad = true
		return 0, 0
	}
	return at + 4, n
}
