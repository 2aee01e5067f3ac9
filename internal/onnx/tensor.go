package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"fx/internal/onnx/pb"
)

// elementBits is the size of one element in raw_data.
var elementBits = map[pb.TensorProto_DataType]uint64{
	pb.TensorProto_FLOAT: 32, pb.TensorProto_DOUBLE: 64, pb.TensorProto_FLOAT16: 16, pb.TensorProto_BFLOAT16: 16,
	pb.TensorProto_UINT8: 8, pb.TensorProto_INT8: 8, pb.TensorProto_UINT16: 16, pb.TensorProto_INT16: 16,
	pb.TensorProto_UINT32: 32, pb.TensorProto_INT32: 32, pb.TensorProto_UINT64: 64, pb.TensorProto_INT64: 64,
	pb.TensorProto_BOOL: 8, pb.TensorProto_COMPLEX64: 64, pb.TensorProto_COMPLEX128: 128,
	pb.TensorProto_FLOAT8E4M3FN: 8, pb.TensorProto_FLOAT8E4M3FNUZ: 8, pb.TensorProto_FLOAT8E5M2: 8,
	pb.TensorProto_FLOAT8E5M2FNUZ: 8, pb.TensorProto_FLOAT8E8M0: 8,
	pb.TensorProto_UINT4: 4, pb.TensorProto_INT4: 4, pb.TensorProto_FLOAT4E2M1: 4,
	pb.TensorProto_UINT2: 2, pb.TensorProto_INT2: 2,
}

// Elements returns the number of elements of a tensor with these dimensions;
// no dimensions make a scalar, 1. A negative dimension or a product above 2^63
// is an error.
func Elements(dims []int64) (int64, error) {
	n, empty := uint64(1), false
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("dimensions %v contain a negative one", dims)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("dimensions %v have more elements than 63 bits can count", dims)
		}
		n = lo
	}
	if empty {
		return 0, nil
	}
	return int64(n), nil
}

// tensorBytes returns the length of raw_data for the type and dimensions.
func tensorBytes(t *pb.TensorProto) (int64, error) {
	n, err := Elements(t.Dims)
	if err != nil {
		return 0, err
	}
	size, ok := elementBits[t.DataType]
	if !ok {
		return 0, fmt.Errorf("data type %v has no raw form", t.DataType)
	}
	hi, lo := bits.Mul64(uint64(n), size)
	if hi != 0 || lo > math.MaxInt64-7 {
		return 0, fmt.Errorf("dimensions %v have more bytes than 63 bits can count", t.Dims)
	}
	return int64((lo + 7) / 8), nil
}

// typedLength returns the typed field of a tensor without raw_data, its number of entries, and the required number.
func typedLength(t *pb.TensorProto) (field string, have, want int64, err error) {
	n, err := Elements(t.Dims)
	if err != nil {
		return "", 0, 0, err
	}
	switch t.DataType {
	case pb.TensorProto_FLOAT:
		return "float_data", int64(len(t.FloatData)), n, nil
	case pb.TensorProto_COMPLEX64:
		return "float_data", int64(len(t.FloatData)) / 2, n, nil
	case pb.TensorProto_DOUBLE:
		return "double_data", int64(len(t.DoubleData)), n, nil
	case pb.TensorProto_COMPLEX128:
		return "double_data", int64(len(t.DoubleData)) / 2, n, nil
	case pb.TensorProto_INT64:
		return "int64_data", int64(len(t.Int64Data)), n, nil
	case pb.TensorProto_UINT32, pb.TensorProto_UINT64:
		return "uint64_data", int64(len(t.Uint64Data)), n, nil
	case pb.TensorProto_STRING:
		return "string_data", int64(len(t.StringData)), n, nil
	case pb.TensorProto_UINT4, pb.TensorProto_INT4, pb.TensorProto_FLOAT4E2M1:
		return "int32_data", int64(len(t.Int32Data)), n/2 + n%2, nil
	case pb.TensorProto_UINT2, pb.TensorProto_INT2:
		return "int32_data", int64(len(t.Int32Data)), n/4 + min(n%4, 1), nil
	}
	if _, ok := elementBits[t.DataType]; !ok {
		return "", 0, 0, fmt.Errorf("data type %v is unknown", t.DataType)
	}
	return "int32_data", int64(len(t.Int32Data)), n, nil
}

func hasData(t *pb.TensorProto) bool {
	return len(t.RawData) > 0 || len(t.FloatData) > 0 || len(t.Int32Data) > 0 || len(t.Int64Data) > 0 ||
		len(t.DoubleData) > 0 || len(t.Uint64Data) > 0 || len(t.StringData) > 0
}

// Weightless reports whether t has a type and dimensions but no data.
func Weightless(t *pb.TensorProto) bool {
	n, err := Elements(t.Dims)
	return err == nil && n > 0 && !hasData(t)
}

// vetTensor checks that the data's length matches the type and dimensions.
func vetTensor(t *pb.TensorProto, weightless bool) error {
	if t.DataLocation != pb.TensorProto_DEFAULT || len(t.ExternalData) > 0 {
		return errors.New("keeps its data in another file, and there is no folder to look in")
	}
	if t.Segment != nil {
		return errors.New("is a segment of a tensor, which is not supported")
	}
	field, have, want, err := typedLength(t)
	if err != nil {
		return err
	}
	if len(t.RawData) > 0 && t.DataType != pb.TensorProto_STRING {
		bytes, err := tensorBytes(t)
		if err != nil {
			return err
		}
		if int64(len(t.RawData)) != bytes {
			return fmt.Errorf("has %d bytes of data, but its type %v and dimensions %v need %d", len(t.RawData),
				t.DataType, t.Dims, bytes)
		}
		return nil
	}
	if weightless && !hasData(t) {
		return nil
	}
	if have != want {
		return fmt.Errorf("has %d entries in %s, but its type %v and dimensions %v need %d", have, field, t.DataType,
			t.Dims, want)
	}
	return nil
}

// Float32s returns the values of a FLOAT tensor.
func Float32s(t *pb.TensorProto) ([]float32, error) {
	if t.DataType != pb.TensorProto_FLOAT {
		return nil, fmt.Errorf("tensor %q is %v, not FLOAT", t.Name, t.DataType)
	}
	if len(t.RawData) == 0 {
		return append([]float32(nil), t.FloatData...), nil
	}
	values := make([]float32, len(t.RawData)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.RawData[4*i:]))
	}
	return values, nil
}

// Int64s returns the values of an INT64 tensor.
func Int64s(t *pb.TensorProto) ([]int64, error) {
	if t.DataType != pb.TensorProto_INT64 {
		return nil, fmt.Errorf("tensor %q is %v, not INT64", t.Name, t.DataType)
	}
	if len(t.RawData) == 0 {
		return append([]int64(nil), t.Int64Data...), nil
	}
	values := make([]int64, len(t.RawData)/8)
	for i := range values {
		values[i] = int64(binary.LittleEndian.Uint64(t.RawData[8*i:]))
	}
	return values, nil
}

// NewFloat32 returns a FLOAT tensor of row-major values, as many as the dimensions require. A nil dims makes a scalar.
func NewFloat32(name string, dims []int64, values []float32) *pb.TensorProto {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return NewRaw(name, pb.TensorProto_FLOAT, dims, raw)
}

// newFloat64 returns a DOUBLE tensor, as NewFloat32 does.
func newFloat64(name string, dims []int64, values []float64) *pb.TensorProto {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	return NewRaw(name, pb.TensorProto_DOUBLE, dims, raw)
}

// NewInt64 returns an INT64 tensor, as NewFloat32 does.
func NewInt64(name string, dims []int64, values []int64) *pb.TensorProto {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return NewRaw(name, pb.TensorProto_INT64, dims, raw)
}

// NewRaw returns a tensor over raw, which is little endian and row-major and is not copied. It panics if the length
// does not match the type and dimensions, which is the caller's mistake.
func NewRaw(name string, dtype pb.TensorProto_DataType, dims []int64, raw []byte) *pb.TensorProto {
	t := &pb.TensorProto{Name: name, DataType: dtype, Dims: dims, RawData: raw}
	if want, err := tensorBytes(t); err != nil || want != int64(len(raw)) {
		panic(fmt.Sprintf("onnx: tensor %q of type %v and dimensions %v over %d bytes", name, dtype, dims, len(raw)))
	}
	return t
}
