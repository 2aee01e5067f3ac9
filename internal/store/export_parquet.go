package store

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// exportParquet writes row groups of about 16 MiB. One row group is in memory at a time.
func exportParquet(x *export, out string) ([]string, error) {
	l := x.s.layout
	metadata := arrow.NewMetadata([]string{"fx.feature_shape"}, []string{l.shape})
	described, err := arrowSchema(arrow.NewSchema(l.schema().Fields(), &metadata))
	if err != nil {
		return nil, err
	}
	group := min(max((16<<20)/l.rowBytes, 1), 4096)
	options := []parquet.WriterOption{
		l.parquetSchema(), parquet.Compression(&parquet.Snappy), parquet.DataPageVersion(1),
		parquet.PageBufferSize(1 << 20), parquet.MaxRowsPerRowGroup(int64(group)),
		parquet.SkipPageBounds("embedding", "list", "element"), // parquet-go would compare float16 as bytes
		parquet.KeyValueMetadata("fx.feature_shape", l.shape), parquet.KeyValueMetadata("ARROW:schema", described),
	}
	return []string{out}, x.file(out, func(w io.Writer) error {
		if l.dtype == Float16 {
			return writeParquet(x, w, options, func(i int, buffer [][2]byte) [][2]byte {
				raw := x.raw(i)
				for k := range buffer {
					buffer[k] = [2]byte(raw[2*k:])
				}
				return buffer
			})
		}
		return writeParquet(x, w, options, x.s.Embedding)
	})
}

// parquetRow is a row of the file; V is a value as Parquet stores it.
type parquetRow[V float32 | [2]byte] struct {
	Path      string `parquet:"path"`
	SHA256    string `parquet:"sha256"`
	Class     string `parquet:"class"`
	Split     string `parquet:"split"`
	Label     int32  `parquet:"label"`
	View      int32  `parquet:"view"`
	Embedding []V    `parquet:"embedding,list"`
}

// writeParquet writes all rows. embedding returns the values of row i, for which it may use buffer.
func writeParquet[V float32 | [2]byte](
	x *export, w io.Writer, options []parquet.WriterOption, embedding func(i int, buffer []V) []V,
) error {
	p := parquet.NewGenericWriter[parquetRow[V]](w, options...)
	buffer := make([]V, x.s.layout.values)
	err := x.each(func(i int, r *Row) error {
		x.task.Add(1)
		_, err := p.Write([]parquetRow[V]{{
			r.Path, r.SHA256.String(), r.Class, r.Split, int32(r.Label), int32(r.View), embedding(i, buffer),
		}})
		return err
	})
	if err != nil {
		return err
	}
	return p.Close()
}

// parquetSchema returns the schema in Parquet's types.
func (l layout) parquetSchema() *parquet.Schema {
	text := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	number := parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary)
	value := parquet.Leaf(parquet.FloatType)
	if l.dtype == Float16 {
		value = parquet.Leaf(float16Type{parquet.FixedLenByteArrayType(2)})
	}
	return parquet.NewSchema("schema", inOrder{parquet.Group{
		"path": text, "sha256": text, "class": text, "split": text, "label": number, "view": number,
		// A dictionary of floats only costs time and memory.
		"embedding": parquet.List(parquet.Encoded(value, &parquet.Plain)),
	}})
}

// inOrder is a group whose fields have the order of schema instead of the order of their names.
type inOrder struct{ parquet.Group }

func (g inOrder) Fields() []parquet.Field {
	names := []string{"path", "sha256", "class", "split", "label", "view", "embedding"}
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(names, a.Name()) - slices.Index(names, b.Name())
	})
	return fields
}

// float16Type is Parquet's logical type FLOAT16, which parquet-go lacks.
type float16Type struct{ parquet.Type }

func (float16Type) LogicalType() *format.LogicalType {
	return &format.LogicalType{Value: new(format.Float16Type)}
}

// arrowSchema encodes a schema as Arrow's libraries store it in the metadata of a Parquet file, so that they read
// lists of fixed size as such. Source: ARROW:schema in Arrow's parquet/arrow/writer.cc, an IPC stream without batches.
func arrowSchema(schema *arrow.Schema) (string, error) {
	var stream bytes.Buffer
	w := ipc.NewWriter(&stream, ipc.WithSchema(schema))
	err := w.Close()
	return base64.StdEncoding.EncodeToString(stream.Bytes()), err
}
