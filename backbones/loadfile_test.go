package backbones

import (
	"strings"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// What prepares the pixels is no parameter, whatever the file calls it; what is
// added to a layer's output is one.
func TestFileParameters(t *testing.T) {
	g := &pb.GraphProto{Name: "own"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("images", pb.TensorProto_UINT8, "batch", 8, 8, 3))
	constant := func(name string, dims ...int64) string {
		count, _ := onnx.Elements(dims)
		return b.Constant(onnx.NewFloat32(name, dims, make([]float32, count)))
	}
	x := b.Op("Cast", []string{b.Op("Transpose", []string{"images"}, onnx.Ints("perm", 0, 3, 1, 2))}, onnx.Int("to", 1))
	x = b.Op("Div", []string{b.Op("Sub", []string{x, constant("mean", 3, 1, 1)}), constant("deviation", 3, 1, 1)})
	x = b.Op("Conv", []string{x, constant("conv.weight", 4, 3, 1, 1)})
	x = b.Op("BatchNormalization", []string{x, constant("bn.weight", 4), constant("bn.bias", 4),
		constant("bn.running_mean", 4), constant("bn.running_var", 4)})
	x = b.Op("Mul", []string{x, constant("scale", 4, 1, 1)})
	x = b.Op("Mul", []string{x, constant("buffer", 4, 1, 1)})
	x = b.Op("Mul", []string{x, b.Float32("half", 0.5)})
	b.OpTo("out", "Reshape", []string{x, b.Int64s("shape", -1, 256)})
	m := &pb.ModelProto{Graph: g}
	onnx.SetMetadata(m, MetaBuffers, `["buffer"]`)
	var got []string
	for _, p := range FileParameters(m) {
		got = append(got, p.Name+" "+string(p.Kind))
	}
	want := "conv.weight weight, bn.weight scale, bn.bias shift, bn.running_mean running_mean, bn.running_var " +
		"running_var, scale weight"
	if strings.Join(got, ", ") != want {
		t.Errorf("parameters %s\nwant       %s", strings.Join(got, ", "), want)
	}
}
