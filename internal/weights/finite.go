package weights

import (
	"encoding/binary"
	"math"
)

// NonFinite returns the name of the first tensor with a NaN or, unless onlyNaN is true, an infinity, and that value;
// "" if there is none. A float64 beyond the range of float32 counts as infinite.
func (s *StateDict) NonFinite(onlyNaN bool) (name string, value float64) {
	for _, name := range s.names {
		if v, found := s.tensors[name].NonFinite(onlyNaN); found {
			return name, v
		}
	}
	return "", 0
}

// NonFinite is StateDict.NonFinite for one tensor. Integers and bools are finite.
func (t Tensor) NonFinite(onlyNaN bool) (value float64, found bool) {
	if f, known := floats[t.DType]; !t.DType.Float() || known && f.allFinite(t.Data) {
		return 0, false
	}
	values, err := t.Float32s()
	if err != nil {
		return 0, false
	}
	for _, v := range values {
		if v != v || !onlyNaN && math.IsInf(float64(v), 0) {
			return float64(v), true
		}
	}
	return 0, false
}

// format is a mask for two or four floating-point numbers in 64 bits.
type format struct {
	exponents uint64 // all bits of the exponents
	ones      uint64 // their lowest bits
	carries   uint64 // the bits above them: the signs
}

var floats = map[DType]format{
	F32:  {0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000},
	F16:  {0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400, 0x8000_8000_8000_8000},
	BF16: {0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080, 0x8000_8000_8000_8000},
}

// allFinite reports whether no number in data has an exponent of ones: adding 1 to such an exponent overflows into the
// sign, which is cleared first.
func (f format) allFinite(data []byte) bool {
	for ; len(data) >= 32; data = data[32:] {
		a, b := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:16])
		c, d := binary.LittleEndian.Uint64(data[16:24]), binary.LittleEndian.Uint64(data[24:32])
		if ((a&f.exponents+f.ones)|(b&f.exponents+f.ones)|
			(c&f.exponents+f.ones)|(d&f.exponents+f.ones))&f.carries != 0 {
			return false
		}
	}
	if len(data) == 0 {
		return true
	}
	var rest [32]byte
	copy(rest[:], data)
	return f.allFinite(rest[:])
}
