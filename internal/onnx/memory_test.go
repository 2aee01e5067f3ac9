package onnx

import (
	"bytes"
	"runtime"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// allocated returns how many bytes do allocates, those that are freed meanwhile counted.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// allowed is what parsing a file of size bytes may allocate. Slices that grow
// count with all that they were before.
func allowed(size int) int64 { return 192<<20 + 40*int64(size) }

// Small files can hold very many empty messages: the memory that they take is
// bounded by the file's size.
func TestMemoryOfBombsIsBoundedByTheirSize(t *testing.T) {
	nested := func(numbers []protowire.Number, content []byte) []byte {
		for _, n := range numbers {
			content = protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), content)
		}
		return content
	}
	const n = 4 << 20
	repeated := func(number protowire.Number, content ...byte) []byte {
		one := protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
		return bytes.Repeat(one, n/len(one))
	}
	for name, file := range map[string][]byte{
		"nodes":            nested([]protowire.Number{7}, repeated(1)),
		"attributes":       nested([]protowire.Number{1, 7}, repeated(5)),
		"graphs":           nested([]protowire.Number{5, 1, 7}, repeated(11)),
		"initializers":     nested([]protowire.Number{7}, repeated(5)),
		"sparse":           nested([]protowire.Number{7}, repeated(15)),
		"inputs":           nested([]protowire.Number{7}, repeated(11)),
		"quantization":     nested([]protowire.Number{7}, repeated(14)),
		"inputs of a node": nested([]protowire.Number{1, 7}, repeated(1)),
		"metadata":         repeated(14),
		"operator sets":    repeated(8),
		"functions":        repeated(25),
		"training":         repeated(20),
		"packed dimensions": nested([]protowire.Number{5, 7},
			protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), make([]byte, n))),
		"dimensions":         nested([]protowire.Number{5, 7}, bytes.Repeat([]byte{8, 0}, n/2)),
		"strings":            nested([]protowire.Number{5, 7}, repeated(6)),
		"unknown fields":     bytes.Repeat([]byte{0x78 | 0x80, 0x7f, 0}, n/3),
		"a graph many times": repeated(7),
		"doubles": nested([]protowire.Number{5, 7},
			bytes.Repeat([]byte{10<<3 | 1, 0, 0, 0, 0, 0, 0, 0, 0}, n/9)),
	} {
		var err error
		took := allocated(func() { _, err = Parse(file, "bomb") })
		if err == nil || took > allowed(len(file)) {
			t.Errorf("%s: a file of %d MB made fx allocate %d MB (%v)", name, len(file)>>20, took>>20, err)
		}
		t.Logf("%s: %d MB (%.100v)", name, took>>20, err)
	}
}
