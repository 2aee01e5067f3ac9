package backbones

import (
	"math"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Infinity may be meant in a network of the user's own, as in the mask of an attention; NaN never is.
func TestFirstNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	whole := onnx.NewFloat32("whole", []int64{3}, []float32{1, inf, math.MaxFloat32})
	half := onnx.NewRaw("half", pb.TensorProto_FLOAT16, []int64{1}, []byte{0, 0x7e})
	counter := onnx.NewRaw("counter", pb.TensorProto_INT64, []int64{1}, []byte{255, 255, 255, 255, 255, 255, 255, 255})
	typed := &pb.TensorProto{Name: "typed", DataType: pb.TensorProto_FLOAT, Dims: []int64{2},
		FloatData: []float32{inf, nan}}
	for name, c := range map[string]struct {
		tensors []*pb.TensorProto
		bad     string
	}{
		"a mask":       {[]*pb.TensorProto{whole, counter}, ""},
		"raw":          {[]*pb.TensorProto{whole, onnx.NewFloat32("raw", []int64{2}, []float32{0, nan})}, "raw"},
		"half":         {[]*pb.TensorProto{counter, half}, "half"},
		"typed values": {[]*pb.TensorProto{typed}, "typed"},
	} {
		if got, _ := firstNaN(&pb.GraphProto{Initializer: c.tensors}); got != c.bad {
			t.Errorf("%s: %q", name, got)
		}
	}
}
