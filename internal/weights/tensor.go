package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"fx/internal/float16"
)

// DType is the type of a tensor's elements, with its name in safetensors.
type DType string

// The element types that fx reads and writes.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"  // IEEE 754 binary16
	BF16 DType = "BF16" // the upper half of a float32
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL" // one byte, 0 or 1
)

// Size returns the bytes of one element, or 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// Float reports whether the elements are floating-point numbers.
func (d DType) Float() bool { return d == F64 || d == F32 || d == F16 || d == BF16 }

// Tensor is an array of numbers. The tensors of a file may share its memory, so neither Data nor the result of
// Float32s may be written to.
type Tensor struct {
	DType DType
	Shape []int  // empty for a scalar
	Data  []byte // little endian, row-major, without gaps
}

// FromFloat32 returns an F32 tensor that shares v's memory. It panics if v does not have as many elements as shape.
func FromFloat32(shape []int, v []float32) Tensor {
	t := Tensor{DType: F32, Shape: append([]int{}, shape...)}
	if n, ok := elements(t.Shape); !ok || n != len(v) {
		panic(fmt.Sprintf("weights: %d elements for a tensor of shape %v", len(v), shape))
	}
	if len(v) == 0 {
		return t
	}
	if littleEndian {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
		return t
	}
	t.Data = make([]byte, 0, 4*len(v))
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(x))
	}
	return t
}

// Len returns the number of elements: the product of Shape, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32s returns the elements as float32. F16 and BF16 widen exactly, F64 rounds to nearest even; an F32 tensor's
// memory is shared on little-endian machines. Integers and bools are an error: they are counters, not weights.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	n := len(t.Data) / t.DType.Size()
	if n == 0 {
		return []float32{}, nil
	}
	switch t.DType {
	case F32:
		if start := unsafe.Pointer(&t.Data[0]); littleEndian && uintptr(start)%4 == 0 {
			return unsafe.Slice((*float32)(start), n), nil
		}
		return convert(t.Data, n, 4, func(b []byte) float32 {
			return math.Float32frombits(binary.LittleEndian.Uint32(b))
		}), nil
	case F64:
		return convert(t.Data, n, 8, func(b []byte) float32 {
			return float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}), nil
	case F16:
		return convert(t.Data, n, 2, func(b []byte) float32 {
			return float16.Float32(binary.LittleEndian.Uint16(b))
		}), nil
	case BF16:
		return convert(t.Data, n, 2, func(b []byte) float32 {
			return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}), nil
	}
	return nil, fmt.Errorf("a tensor of %s where floating point is needed", t.DType)
}

// check returns an error unless the length of Data matches DType and Shape.
func (t Tensor) check() error {
	size := t.DType.Size()
	if size == 0 {
		return fmt.Errorf("element type %.40q, which fx does not read", string(t.DType))
	}
	n, ok := elements(t.Shape)
	if !ok || n > math.MaxInt/size {
		return fmt.Errorf("impossible shape %s", shapeText(t.Shape))
	}
	if n*size != len(t.Data) {
		return fmt.Errorf("shape %s of %s needs %d bytes, but there are %d", shapeText(t.Shape), t.DType, n*size,
			len(t.Data))
	}
	return nil
}

// littleEndian is whether a float32 has the same bytes in memory as in a file.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func convert(data []byte, n, size int, one func([]byte) float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = one(data[i*size : (i+1)*size])
	}
	return out
}

// elements returns the product of shape, and whether it is a possible size.
func elements(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// shapeText prints a shape of any length within a line.
func shapeText(shape []int) string {
	if len(shape) > 8 {
		return fmt.Sprintf("%v… (%d dimensions)", shape[:8], len(shape))
	}
	return fmt.Sprint(shape)
}
