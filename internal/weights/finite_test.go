package weights

import (
	"math"
	"testing"
)

func TestNonFiniteNamesTheTensor(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for n := range 40 { // also what is left behind blocks of eight
		for at := range n {
			values := make([]float32, n)
			for i := range values {
				values[i] = math.MaxFloat32 * float32(1-2*(i%2))
			}
			s := NewStateDict()
			s.Set("whole", FromFloat32([]int{n}, values))
			if name, v := s.NonFinite(false); name != "" {
				t.Fatalf("%d finite values: %s, %v", n, name, v)
			}
			for _, bad := range []float32{nan, inf} {
				spoilt := append([]float32{}, values...)
				spoilt[at] = bad
				s.Set("bad", FromFloat32([]int{n}, spoilt))
				if name, v := s.NonFinite(false); name != "bad" || v == v && !math.IsInf(v, -1) {
					t.Errorf("%v at %d of %d: %q, %v", bad, at, n, name, v)
				}
				if name, _ := s.NonFinite(true); (name == "bad") != (bad != bad) {
					t.Errorf("%v at %d of %d, looking for NaN only: %q", bad, at, n, name)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		tensor Tensor
		bad    bool
	}{
		"half NaN":     {Tensor{DType: F16, Shape: []int{2}, Data: []byte{0, 0x3c, 0, 0x7e}}, true},
		"bfloat16 Inf": {Tensor{DType: BF16, Shape: []int{1}, Data: []byte{0x80, 0x7f}}, true},
		"double NaN":   {Tensor{DType: F64, Shape: []int{1}, Data: []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}}, true},
		"half":         {Tensor{DType: F16, Shape: []int{1}, Data: []byte{0xff, 0x7b}}, false},
		"counter": {Tensor{DType: I64, Shape: []int{}, Data: []byte{255, 255, 255, 255, 255, 255, 255, 127}},
			false},
		"no element":       {Tensor{DType: F32, Shape: []int{0}}, false},
		"an odd beginning": {Tensor{DType: F32, Shape: []int{1}, Data: []byte{1, 0, 0, 0xc0, 0x7f}[1:]}, true},
	} {
		if _, bad := c.tensor.NonFinite(false); bad != c.bad {
			t.Errorf("%s: %v", name, bad)
		}
	}
}

// Every value of 16 bits, at every place of a block and behind it.
func TestNonFiniteOf16Bits(t *testing.T) {
	for _, dtype := range []DType{F16, BF16} {
		for n := range 40 {
			tensor := Tensor{DType: dtype, Shape: []int{n}, Data: make([]byte, 2*n)}
			for i := range tensor.Data {
				tensor.Data[i] = 0x77 // a large number in either format
			}
			if v, found := tensor.NonFinite(false); found {
				t.Fatalf("%d finite values of %s: %v", n, dtype, v)
			}
		}
		for value := range 1 << 16 {
			at, n := value%16, 16+value%3
			tensor := Tensor{DType: dtype, Shape: []int{n}, Data: make([]byte, 2*n)}
			tensor.Data[2*at], tensor.Data[2*at+1] = byte(value), byte(value>>8)
			all, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			_, found := tensor.NonFinite(false)
			if v := float64(all[at]); found != (math.IsNaN(v) || math.IsInf(v, 0)) {
				t.Errorf("%s %#04x, which is %v: %v", dtype, value, v, found)
			}
		}
	}
}

func BenchmarkNonFinite(b *testing.B) {
	s := NewStateDict()
	s.Set("w", FromFloat32([]int{11_700_000}, make([]float32, 11_700_000))) // resnet18
	b.SetBytes(4 * 11_700_000)
	for b.Loop() {
		s.NonFinite(false)
	}
}
