package weights

import (
	"encoding/binary"
	"math"
)

// NonFinite returns the name of the first tensor that holds NaN or, unless
// onlyNaN is true, infinity, and that value; "" where there is none. Numbers in
// float64 that float32 can't hold count as infinite.
func (s *StateDict) NonFinite(onlyNaN bool) (name string, value float64) {
	for _, name := range s.names {
		if v, found := s.tensors[name].NonFinite(onlyNaN); found {
			return name, v
		}
	}
	return "", 0
}

// NonFinite is StateDict.NonFinite of one tensor. Integers and bools are finite.
func (t Tensor) NonFinite(onlyNaN bool) (value float64, found bool) {
	if !t.DType.Float() || t.DType == F32 && allFinite(t.Data) {
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

// allFinite tells whether none of the float32 in data has an exponent of ones.
// It looks at two numbers at a time: adding 1 to such an exponent overflows into
// the bit above it, which is cleared beforehand.
func allFinite(data []byte) bool {
	const (
		exponents = 0x7f800000_7f800000
		ones      = 0x00800000_00800000
		carries   = 0x80000000_80000000
	)
	for ; len(data) >= 32; data = data[32:] {
		a, b := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:16])
		c, d := binary.LittleEndian.Uint64(data[16:24]), binary.LittleEndian.Uint64(data[24:32])
		if ((a&exponents+ones)|(b&exponents+ones)|(c&exponents+ones)|(d&exponents+ones))&carries != 0 {
			return false
		}
	}
	for ; len(data) >= 4; data = data[4:] {
		if binary.LittleEndian.Uint32(data)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}
