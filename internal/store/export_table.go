package store

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// exportCSV writes one line per row; numbers are the shortest that read back as the same float32.
func exportCSV(x *export, out string) ([]string, error) {
	return []string{out}, x.file(out, func(w io.Writer) error {
		c := csv.NewWriter(w)
		line := []string{"path", "sha256", "split", "class", "label", "view"}
		for k := range x.s.layout.values {
			line = append(line, "f"+strconv.Itoa(k))
		}
		if err := c.Write(line); err != nil {
			return err
		}
		buffer := make([]float32, x.s.layout.values)
		err := x.each(func(i int, r *Row) error {
			line = append(line[:0], r.Path, r.SHA256.String(), r.Split, r.Class, strconv.Itoa(r.Label), strconv.Itoa(r.View))
			for _, v := range x.s.Embedding(i, buffer) {
				line = append(line, strconv.FormatFloat(float64(v), 'g', -1, 32))
			}
			x.task.Add(1)
			return c.Write(line)
		})
		c.Flush()
		if err != nil {
			return err
		}
		return c.Error()
	})
}

// exportParquet writes row groups of about 16 MiB, the unit that is held in memory.
func exportParquet(x *export, out string) ([]string, error) {
	l := x.s.layout
	metadata := arrow.NewMetadata([]string{"fx.feature_shape"}, []string{l.shape})
	schema := arrow.NewSchema(l.schema().Fields(), &metadata)
	group := min(max((16<<20)/l.rowBytes, 1), 4096)
	return []string{out}, x.file(out, func(w io.Writer) error {
		// A dictionary of floats only costs time and memory.
		properties := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy),
			parquet.WithDictionaryFor("embedding.list.element", false), parquet.WithMaxRowGroupLength(int64(group)))
		p, err := pqarrow.NewFileWriter(schema, w, properties, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		if err != nil {
			return err
		}
		for from := 0; from < len(x.rows); from += group {
			if err := x.ctx.Err(); err != nil {
				return err
			}
			some := x.rows[from:min(from+group, len(x.rows))]
			if err := p.Write(x.batch(schema, some)); err != nil {
				return err
			}
			x.task.Add(int64(len(some)))
		}
		return p.Close()
	})
}

// batch makes an Arrow table of some rows.
func (x *export) batch(schema *arrow.Schema, rows []int) arrow.RecordBatch {
	l := x.s.layout
	records := make([]record, len(rows))
	embeddings := make([]byte, 0, len(rows)*l.rowBytes)
	for k, i := range rows {
		r := &x.s.rows[i]
		records[k] = record{path: r.Path, split: r.Split, class: r.Class, sha: r.SHA256, label: int32(r.Label), view: int32(r.View)}
		embeddings = append(embeddings, x.raw(i)...)
	}
	return array.NewRecordBatch(schema, l.columns(records, embeddings), int64(len(rows)))
}
