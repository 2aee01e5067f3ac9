package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// golden is an entry of testdata/expected.json, which testdata/make.py writes.
// Everything is compared to the last bit: each value has one right answer.
type golden struct {
	Inside  string
	Tensors map[string]struct {
		DType, Data, Float string
		Shape              []int
	}
}

func goldens(t *testing.T) map[string]golden {
	t.Helper()
	text, err := os.ReadFile("testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]golden{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadEqualsTorch(t *testing.T) {
	for name, want := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			state, info, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			format := map[bool]string{true: torchLegacy, false: torchZip}[strings.Contains(name, ".legacy.")]
			if strings.HasSuffix(name, ".safetensors") {
				format = Safetensors
			}
			sum := sha256.Sum256(file)
			if got := (Info{path, format, want.Inside, hex.EncodeToString(sum[:]), int64(len(file))}); got != info {
				t.Errorf("info %+v, want %+v", info, got)
			}
			if state.Len() != len(want.Tensors) {
				t.Errorf("tensors %v, want %d of them", state.Names(), len(want.Tensors))
			}
			for key, w := range want.Tensors {
				got, ok := state.Get(key)
				if !ok {
					t.Errorf("%s is missing", key)
					continue
				}
				if string(got.DType) != w.DType || fmt.Sprint(got.Shape) != fmt.Sprint(w.Shape) ||
					hex.EncodeToString(got.Data) != w.Data {
					t.Errorf("%s: %s %v %x, want %s %v %s", key, got.DType, got.Shape, got.Data, w.DType, w.Shape,
						w.Data)
				}
				values, err := got.Float32s()
				switch integer := got.DType != F64 && got.DType != F32 && got.DType != F16 && got.DType != BF16; {
				case integer && err == nil:
					t.Errorf("%s: %s as floating point", key, got.DType)
				case !integer && (err != nil || hex.EncodeToString(FromFloat32([]int{len(values)},
					values).Data) != w.Float):
					t.Errorf("%s: float32 %v (%v), want %s", key, values, err, w.Float)
				}
			}
		})
	}
}

func TestHalvesWidenAsTorchDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/half.json")
	if err != nil {
		t.Fatal(err)
	}
	want := map[DType]string{}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	every := Tensor{Shape: []int{65536}}
	for i := range 65536 {
		every.Data = binary.LittleEndian.AppendUint16(every.Data, uint16(i))
	}
	for _, every.DType = range []DType{F16, BF16} {
		values, err := every.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		for _, v := range values {
			if v != v {
				v = 0
			}
			_ = binary.Write(hash, binary.LittleEndian, math.Float32bits(v))
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != want[every.DType] {
			t.Errorf("%s: the 65536 values sum to %s, want %s", every.DType, got, want[every.DType])
		}
	}
}

// The Python package wrote the golden; the same tensors must give its very bytes.
func TestWriteEqualsPython(t *testing.T) {
	golden := filepath.Join("testdata", "types.safetensors")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	state, _, err := Read(golden)
	if err != nil {
		t.Fatal(err)
	}
	backwards := NewStateDict()
	backwards.Metadata["format"] = "pt"
	for names := state.Names(); len(names) > 0; names = names[:len(names)-1] {
		name := names[len(names)-1]
		tensor, _ := state.Get(name)
		backwards.Set(name, tensor)
	}
	for _, s := range []*StateDict{state, backwards} {
		path := filepath.Join(t.TempDir(), "out")
		if err := WriteSafetensors(path, s); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
}

func TestRealWeights(t *testing.T) {
	path := testenv.WeightsFile(t, "squeezenet1_1.safetensors")
	state, info, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Format != Safetensors || state.Len() != 52 || len(info.SHA256) != 64 {
		t.Errorf("%+v with %d tensors, want safetensors with 52", info, state.Len())
	}
	count := 0
	for _, name := range state.Names() {
		tensor, _ := state.Get(name)
		values, err := tensor.Float32s()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		count += len(values)
		for _, v := range values {
			if v != v || math.Abs(float64(v)) > 100 {
				t.Fatalf("%s holds %v", name, v)
			}
		}
	}
	if count != 1_235_496 { // torchvision's documented number of parameters
		t.Errorf("%d parameters, want 1235496", count)
	}
}
