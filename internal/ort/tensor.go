package ort

import (
	"fmt"
	"slices"
	"unsafe"
)

// DType is an element type, with ONNX's number.
type DType int32

// The element types that a Tensor can hold.
const (
	Float32T  DType = 1
	Uint8T    DType = 2
	int8T     DType = 3
	uint16T   DType = 4
	int16T    DType = 5
	int32T    DType = 6
	Int64T    DType = 7
	boolT     DType = 9
	float16T  DType = 10
	float64T  DType = 11
	uint32T   DType = 12
	uint64T   DType = 13
	bfloat16T DType = 16
)

var dtypes = map[DType]struct {
	name  string
	bytes int
}{
	Float32T: {"float32", 4}, Uint8T: {"uint8", 1}, int8T: {"int8", 1}, uint16T: {"uint16", 2},
	int16T: {"int16", 2}, int32T: {"int32", 4}, Int64T: {"int64", 8}, boolT: {"bool", 1},
	float16T: {"float16", 2}, float64T: {"float64", 8}, uint32T: {"uint32", 4}, uint64T: {"uint64", 8},
	bfloat16T: {"bfloat16", 2},
}

// String returns numpy's name of the type.
func (d DType) String() string {
	if known, ok := dtypes[d]; ok {
		return known.name
	}
	return fmt.Sprintf("element type %d", int(d))
}

func (d DType) size() int { return dtypes[d].bytes }

// element is a type that a Tensor can hold.
type element interface {
	float32 | float64 | uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | bool
}

func dtypeOf[T element]() DType {
	switch any(*new(T)).(type) {
	case float32:
		return Float32T
	case float64:
		return float64T
	case uint8:
		return Uint8T
	case int8:
		return int8T
	case uint16:
		return uint16T
	case int16:
		return int16T
	case uint32:
		return uint32T
	case int32:
		return int32T
	case uint64:
		return uint64T
	case int64:
		return Int64T
	default:
		return boolT
	}
}

// Tensor is a dense row-major array over the caller's memory. It is a view: NewTensor copies nothing, and the caller
// may change the values between runs. The zero Tensor stands for an output that ONNX Runtime allocates.
type Tensor struct {
	dtype DType
	shape []int64
	count int
	data  unsafe.Pointer // keeps the caller's slice alive
}

// NewTensor returns a view of data with the shape. Run returns an error if shape and length do not match.
func NewTensor[T element](data []T, shape ...int64) Tensor {
	t := Tensor{dtype: dtypeOf[T](), shape: slices.Clone(shape), count: len(data),
		data: unsafe.Pointer(unsafe.SliceData(data))}
	if t.data == nil {
		t.data = unsafe.Pointer(new(T)) // an empty tensor, not an output to allocate
	}
	return t
}

// DType returns the element type, 0 for the zero Tensor.
func (t Tensor) DType() DType { return t.dtype }

// Shape returns the sizes. The caller must not change them.
func (t Tensor) Shape() []int64 { return t.shape }

// Data returns the values, which t shares. It panics if T is not t's type; uint16 is also the type for float16 and
// bfloat16.
func Data[T element](t Tensor) []T {
	want := dtypeOf[T]()
	half := want == uint16T && (t.dtype == float16T || t.dtype == bfloat16T)
	if t.dtype != want && !half {
		panic(fmt.Sprintf("ort.Data: a tensor of %s read as %s", t.dtype, want))
	}
	return unsafe.Slice((*T)(t.data), t.count)
}

// size returns the number of bytes.
func (t Tensor) size() int { return t.count * t.dtype.size() }

func (t Tensor) bytes() []byte { return unsafe.Slice((*byte)(t.data), t.size()) }

// check returns an error if the shape does not match the data.
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
	return Tensor{dtype: dtype, shape: slices.Clone(shape), count: count,
		data: unsafe.Pointer(unsafe.SliceData(words))}, nil
}
