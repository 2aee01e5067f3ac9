package arrowmeta_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"fx/internal/arrowmeta"
)

// schemaMessage returns the metadata of the schema of a stream.
func schemaMessage() []byte {
	metadata := arrow.MetadataFrom(map[string]string{"key": "value"})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "bytes", Type: arrow.BinaryTypes.Binary, Metadata: metadata},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)},
		{Name: "union", Type: arrow.SparseUnionOf([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}},
			[]arrow.UnionTypeCode{0})},
	}, &metadata)
	var b bytes.Buffer
	if err := ipc.NewWriter(&b, ipc.WithSchema(schema)).Close(); err != nil {
		panic(err)
	}
	return b.Bytes()[8 : 8+binary.LittleEndian.Uint32(b.Bytes()[4:])]
}

// Whatever bit is flipped, what passes takes little memory.
func TestFlippedBits(t *testing.T) {
	whole := schemaMessage()
	refused := 0
	for i := range whole {
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			if arrowmeta.Check(damaged) != nil {
				refused++
				continue
			}
			stream := append([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, damaged...)
			binary.LittleEndian.PutUint32(stream[4:], uint32(len(damaged)))
			if r, err := ipc.NewReader(bytes.NewReader(stream)); err == nil {
				r.Release()
			}
		}
	}
	if refused < 100 {
		t.Errorf("%d of %d damaged messages are refused", refused, 8*len(whole))
	}
}

func Example() {
	fmt.Println(arrowmeta.Check(schemaMessage()))
	fmt.Println(arrowmeta.Check([]byte{255, 0, 0, 0, 0}) != nil)
	// Output:
	// <nil>
	// true
}
