package worker

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"fx/extract"
	"fx/internal/fail"
)

// formatVersion is that of the output, in the schema's metadata.
const formatVersion = "1"

// answerNames are the columns of an answer after those of the input.
var answerNames = []string{"sha256", "embedding", "error"}

// output writes the answers, a record batch for each of the input.
type output struct {
	buffer  *bufio.Writer
	stream  *ipc.Writer
	schema  *arrow.Schema
	summary Summary

	// The rows of the batch that is not complete.
	sha256    *array.StringBuilder
	embedding *array.FixedSizeListBuilder
	values    *array.Float32Builder
	errors    *array.StringBuilder
	zeros     []float32 // below a null: the values themselves are never null
}

// newOutput returns an output with the columns kept of the input.
func newOutput(to io.Writer, kept []arrow.Field, e *extract.Embedder) *output {
	n := e.Network
	embedding := arrow.FixedSizeListOfNonNullable(int32(e.FeatureLen()), arrow.PrimitiveTypes.Float32)
	types := []arrow.DataType{arrow.BinaryTypes.String, embedding, arrow.BinaryTypes.String}
	fields := slices.Clone(kept)
	for i, name := range answerNames {
		fields = append(fields, arrow.Field{Name: name, Type: types[i], Nullable: true})
	}
	metadata := arrow.NewMetadata(
		[]string{"fx.format_version", "fx.backbone", "fx.weights_sha256", "fx.feature_shape"},
		[]string{formatVersion, n.Backbone.Name, n.WeightsSHA256,
			strings.ReplaceAll(fmt.Sprint(n.Backbone.FeatureShape), " ", ",")})
	o := &output{buffer: bufio.NewWriterSize(to, 1<<16), schema: arrow.NewSchema(fields, &metadata)}
	o.zeros = make([]float32, e.FeatureLen())
	o.stream = ipc.NewWriter(o.buffer, ipc.WithSchema(o.schema))
	o.sha256 = array.NewStringBuilder(memory.DefaultAllocator)
	o.embedding = array.NewFixedSizeListBuilderWithField(memory.DefaultAllocator, embedding.Len(),
		embedding.ElemField())
	o.values = o.embedding.ValueBuilder().(*array.Float32Builder)
	o.errors = array.NewStringBuilder(memory.DefaultAllocator)
	return o
}

// add adds the answer to a row.
func (o *output) add(photo extract.Embedding) {
	reason := photo.Reason
	for i, v := range photo.Features {
		if v-v != 0 { // NaN or infinite
			reason = fmt.Sprintf("value %d of the embedding is %v", i, v)
			break
		}
	}
	o.summary.Rows++
	if reason != "" {
		o.summary.Errors++
		o.sha256.AppendNull()
		o.embedding.Append(false)
		o.values.AppendValues(o.zeros, nil)
		o.errors.Append(strings.ToValidUTF8(reason, "\uFFFD"))
		return
	}
	o.sha256.Append(photo.SHA256.String())
	o.embedding.Append(true)
	o.values.AppendValues(photo.Features, nil)
	o.errors.AppendNull()
}

// write writes a batch, whose rows were all added.
func (o *output) write(b *batch) error {
	columns := slices.Concat(b.kept, []arrow.Array{o.sha256.NewArray(), o.embedding.NewArray(), o.errors.NewArray()})
	if err := o.stream.Write(array.NewRecordBatch(o.schema, columns, int64(len(b.photos)))); err != nil {
		return writeError(err)
	}
	return writeError(o.buffer.Flush())
}

// close ends the stream properly.
func (o *output) close() error {
	if err := o.stream.Close(); err != nil {
		return writeError(err)
	}
	return writeError(o.buffer.Flush())
}

func writeError(err error) error { return fail.Wrap(fail.Other, err, "", "write the answers") }
