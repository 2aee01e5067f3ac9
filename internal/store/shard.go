package store

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// record is one row of a shard, without its embedding.
type record struct {
	path, split, class string
	sha                SHA256
	label, view        int32
}

// layout is what all shards of a store share.
type layout struct {
	dtype    DType
	shape    string // [512 13 13] as "[512,13,13]"
	values   int    // numbers in one embedding
	rowBytes int
	identity string // of the manifest
}

func (m Manifest) layout() layout {
	shape := "["
	for i, d := range m.FeatureShape {
		if i > 0 {
			shape += ","
		}
		shape += fmt.Sprint(d)
	}
	n := m.Values()
	return layout{dtype: m.DType, shape: shape + "]", values: n, rowBytes: n * m.DType.bytes(), identity: m.identity()}
}

// embeddingType returns the Arrow type of the column embedding.
func (l layout) embeddingType() *arrow.FixedSizeListType {
	var item arrow.DataType = arrow.PrimitiveTypes.Float32
	if l.dtype == Float16 {
		item = arrow.FixedWidthTypes.Float16
	}
	return arrow.FixedSizeListOfNonNullable(int32(l.values), item)
}

// schema returns the schema of a shard. The embedding is the last column, so that the others are contiguous.
func (l layout) schema() *arrow.Schema {
	metadata := arrow.NewMetadata(
		[]string{"fx.feature_shape", "fx.format_version", "fx.identity", "fx.seal"},
		[]string{l.shape, fmt.Sprint(formatVersion), l.identity, seal{}.String()})
	return arrow.NewSchema([]arrow.Field{
		{Name: "path", Type: arrow.BinaryTypes.String},
		{Name: "sha256", Type: arrow.BinaryTypes.String},
		{Name: "class", Type: arrow.BinaryTypes.String},
		{Name: "split", Type: arrow.BinaryTypes.String},
		{Name: "label", Type: arrow.PrimitiveTypes.Int32},
		{Name: "view", Type: arrow.PrimitiveTypes.Int32},
		{Name: "embedding", Type: l.embeddingType()},
	}, &metadata)
}

// encodeShard writes the bytes of a shard to file. They depend only on the rows and their embeddings, which are the
// stored values of all rows.
func encodeShard(l layout, rows []record, embeddings []byte, file *bytes.Buffer) error {
	if len(rows) == 0 || len(embeddings) != len(rows)*l.rowBytes {
		return fmt.Errorf("%d rows of %d bytes with %d bytes of embeddings", len(rows), l.rowBytes, len(embeddings))
	}
	schema := l.schema()
	file.Reset()
	file.Grow(len(embeddings) + len(rows)*512 + 8192)
	w, err := ipc.NewFileWriter(file, ipc.WithSchema(schema))
	if err != nil {
		return err
	}
	if err := w.Write(array.NewRecordBatch(schema, l.columns(rows, embeddings), int64(len(rows)))); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, at, err := decodeShard(l, file.Bytes())
	if err != nil {
		return err
	}
	return stamp(file.Bytes(), at, uint64(len(embeddings)))
}

// columns returns the columns of layout.schema.
func (l layout) columns(rows []record, embeddings []byte) []arrow.Array {
	var columns []arrow.Array
	for _, text := range []func(r *record) string{
		func(r *record) string { return r.path },
		func(r *record) string { return r.sha.String() },
		func(r *record) string { return r.class },
		func(r *record) string { return r.split },
	} {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for i := range rows {
			b.Append(text(&rows[i]))
		}
		columns = append(columns, b.NewStringArray())
	}
	for _, number := range []func(r *record) int32{
		func(r *record) int32 { return r.label },
		func(r *record) int32 { return r.view },
	} {
		b := array.NewInt32Builder(memory.DefaultAllocator)
		for i := range rows {
			b.Append(number(&rows[i]))
		}
		columns = append(columns, b.NewInt32Array())
	}
	list := l.embeddingType()
	values := array.NewData(list.Elem(), len(rows)*l.values, []*memory.Buffer{nil, memory.NewBufferBytes(embeddings)},
		nil, 0, 0)
	return append(columns, array.NewFixedSizeListData(
		array.NewData(list, len(rows), []*memory.Buffer{nil}, []arrow.ArrayData{values}, 0, 0)))
}
