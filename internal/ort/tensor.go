package ort

import (
	"fmt"
	"slices"
	"unsafe"
)

// DType is an element type, numbered as ONNX numbers it.
type DType int32

// The element types that a Tensor can hold.
const (
	Float32T  DType = 1
	Uint8T    DType = 2
	Int8T     DType = 3
	Uint16T   DType = 4
	Int16T    DType = 5
	Int32T    DType = 6
	Int64T    DType = 7
	BoolT     DType = 9
	Float16T  DType = 10
	Float64T  DType = 11
	Uint32T   DType = 12
	Uint64T   DType = 13
	BFloat16T DType = 16
)

var dtypes = map[DType]struct {
	name  string
	bytes int
}{
	Float32T: {"float32", 4}, Uint8T: {"uint8", 1}, Int8T: {"int8", 1}, Uint16T: {"uint16", 2},
	Int16T: {"int16", 2}, Int32T: {"int32", 4}, Int64T: {"int64", 8}, BoolT: {"bool", 1},
	Float16T: {"float16", 2}, Float64T: {"float64", 8}, Uint32T: {"uint32", 4}, Uint64T: {"uint64", 8},
	BFloat16T: {"bfloat16", 2},
}

// String returns numpy's name of the type.
func (d DType) String() string {
	if known, ok := dtypes[d]; ok {
		return known.name
	}
	return fmt.Sprintf("element type %d", int(d))
}

func (d DType) size() int { return dtypes[d].bytes }

// Float16 and BFloat16 are the bits of such a number.
type (
	Float16  uint16
	BFloat16 uint16
)

// Element is a type that a Tensor can hold.
type Element interface {
	float32 | float64 | uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | bool | Float16 | BFloat16
}

func dtypeOf[T Element]() DType {
	switch any(*new(T)).(type) {
	case float32:
		return Float32T
	case float64:
		return Float64T
	case uint8:
		return Uint8T
	case int8:
		return Int8T
	case uint16:
		return Uint16T
	case int16:
		return Int16T
	case uint32:
		return Uint32T
	case int32:
		return Int32T
	case uint64:
		return Uint64T
	case int64:
		return Int64T
	case bool:
		return BoolT
	case Float16:
		return Float16T
	default:
		return BFloat16T
	}
}

// Tensor is a dense row-major array over memory of the caller's. It is a view:
// making one copies nothing, and whoever holds the slice may change the values
// between runs. The zero Tensor stands for an output that ONNX Runtime shall
// allocate.
type Tensor struct {
	dtype DType
	shape []int64
	count int
	data  unsafe.Pointer // keeps the caller's slice alive
}

// NewTensor returns a view of data with the shape. A shape that does not fit
// the length of data is reported by Run.
func NewTensor[T Element](data []T, shape ...int64) Tensor {
	t := Tensor{dtype: dtypeOf[T](), shape: slices.Clone(shape), count: len(data), data: unsafe.Pointer(unsafe.SliceData(data))}
	if t.data == nil {
		t.data = unsafe.Pointer(new(T)) // an empty tensor, not an output to allocate
	}
	return t
}

// NewFloat16 is NewTensor for half-precision bits held as uint16.
func NewFloat16(bits []uint16, shape ...int64) Tensor {
	t := NewTensor(bits, shape...)
	t.dtype = Float16T
	return t
}

// DType returns the element type, 0 for the zero Tensor.
func (t Tensor) DType() DType { return t.dtype }

// Shape returns the sizes. The caller must not change them.
func (t Tensor) Shape() []int64 { return t.shape }

// Data returns the values, which t shares. It panics where T is not t's type;
// uint16 serves for float16 and bfloat16 too.
func Data[T Element](t Tensor) []T {
	want := dtypeOf[T]()
	half := want == Uint16T && (t.dtype == Float16T || t.dtype == BFloat16T)
	if t.dtype != want && !half {
		panic(fmt.Sprintf("ort.Data: a tensor of %s read as %s", t.dtype, want))
	}
	return unsafe.Slice((*T)(t.data), t.count)
}

// size is the number of bytes.
func (t Tensor) size() int { return t.count * t.dtype.size() }

func (t Tensor) bytes() []byte { return unsafe.Slice((*byte)(t.data), t.size()) }

// check reports a shape that does not fit the data.
func (t Tensor) check() error {
	count, err := elements(t.shape)
	if err != nil {
		return err
	}
	if count != t.count {
		return fmt.Errorf("shape %v has %d elements, and %d were given", t.shape, count, t.count)
	}
	return nil
}

// elements multiplies sizes, refusing negative ones and overflow.
func elements(shape []int64) (int, error) {
	const limit = int64(1) << 48
	count := int64(1)
	for _, size := range shape {
		if size < 0 || size > limit || count > limit/max(size, 1) {
			return 0, fmt.Errorf("shape %v is out of bounds", shape)
		}
		count *= size
	}
	return int(count), nil
}

// emptyTensor allocates zeros.
func emptyTensor(dtype DType, shape []int64) (Tensor, error) {
	if dtype.size() == 0 {
		return Tensor{}, fmt.Errorf("outputs of %s are not supported", dtype)
	}
	count, err := elements(shape)
	if err != nil {
		return Tensor{}, err
	}
	words := make([]uint64, (count*dtype.size()+7)/8+1) // aligned for every type
	return Tensor{dtype: dtype, shape: slices.Clone(shape), count: count, data: unsafe.Pointer(unsafe.SliceData(words))}, nil
}
