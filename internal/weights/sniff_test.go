package weights_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/weights"
)

// A safetensors file begins with the length of its header, whose bytes may be
// those by which other formats are known: a pickle's of protocol 4, an ONNX
// file's, gzip's.
func TestASafetensorsFileOfAnyHeaderLengthIsRead(t *testing.T) {
	for _, length := range []int{0x280, 0x480, 0x1880, 0x8b1f, 0x120808, 0x3c20} {
		header := `{"__metadata__":{"filler":"` + strings.Repeat("x", length-30) + `"}}`
		file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		if len(header) != length {
			t.Fatalf("a header of %#x bytes instead of %#x", len(header), length)
		}
		path := filepath.Join(t.TempDir(), "weights")
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, info, err := weights.Read(path); err != nil || info.Format != weights.Safetensors {
			t.Errorf("a header of %#x bytes: %q, %v", length, info.Format, err)
		}
	}
}
