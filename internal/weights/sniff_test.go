package weights_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
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

// What testdata/headers.json says that the Python package reads, fx reads, and no more.
func TestHeadersAreReadAsThePythonPackageReadsThem(t *testing.T) {
	text, err := os.ReadFile("testdata/headers.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]struct {
		File    string
		Tensors []string // null where the package refuses the file
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file, err := hex.DecodeString(c.File)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "weights")
			if err := os.WriteFile(path, file, 0o644); err != nil {
				t.Fatal(err)
			}
			state, info, err := weights.Read(path)
			if c.Tensors == nil {
				if err == nil {
					t.Error("fx reads it")
				}
				return
			}
			if err != nil || info.Format != weights.Safetensors {
				t.Fatalf("%q, %v", info.Format, err)
			}
			if got := state.Names(); !slices.Equal(got, c.Tensors) {
				t.Errorf("tensors %v, want %v", got, c.Tensors)
			}
			if a, found := state.Get("a"); found {
				if values, err := a.Float32s(); err != nil || !slices.Equal(values, []float32{1, -2}) {
					t.Errorf("values %v, %v", values, err)
				}
			}
		})
	}
}

// A pipe without a writer must not keep fx waiting.
func TestAPipeIsNoWeightsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.pth")
	testenv.MakePipe(t, path)
	if _, _, err := weights.Read(path); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("%v", err)
	}
}
