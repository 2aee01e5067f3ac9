package inference

import (
	"fmt"
	"slices"
	"testing"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/relative"
)

// grouped runs the kernel Conv3x3 of padding 1, or ONNX Runtime's Conv, on threads threads.
func grouped(t *testing.T, rt *ort.Runtime, kernel bool, threads int, x, weight, bias []float32, shape [4]int,
	outputs, groups int) []float32 {
	t.Helper()
	g := &pb.GraphProto{Name: "grouped"}
	b := onnx.NewBuilder(g, "")
	inputs := []string{
		b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, shape[0], shape[1], shape[2], shape[3])),
		b.Constant(onnx.NewFloat32("weight", []int64{int64(outputs), int64(shape[1] / groups), 3, 3}, weight)),
		b.Constant(onnx.NewFloat32("bias", []int64{int64(outputs)}, bias)),
	}
	domain, op := "", "Conv"
	if kernel {
		domain, op = kernels.Domain, "Conv3x3"
	}
	y := b.Add(domain, op, inputs, 1, onnx.Ints("pads", 1, 1, 1, 1), onnx.Int("group", int64(groups)))[0]
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(y, pb.TensorProto_FLOAT, shape[0], outputs, shape[2], shape[3])}
	m := &pb.ModelProto{IrVersion: 8, Graph: g}
	onnx.SetOpset(m, "", 17)
	onnx.SetOpset(m, kernels.Domain, kernels.Version)
	given := ort.NewTensor(x, int64(shape[0]), int64(shape[1]), int64(shape[2]), int64(shape[3]))
	return orttest.Outputs(t, rt, m, threads, given)[0]
}

// TestConv3x3OfGroups compares with ONNX Runtime, and holds results to the same bits on several threads and whatever
// images share the batch.
func TestConv3x3OfGroups(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, isa := range []string{"widest", "avx2", "generic"} {
		t.Setenv("FX_KERNELS_ISA", isa)
		for _, c := range []struct {
			shape           [4]int
			outputs, groups int
		}{
			{[4]int{3, 72, 14, 15}, 48, 3}, {[4]int{5, 40, 7, 7}, 55, 5}, {[4]int{2, 336, 28, 28}, 336, 14},
			{[4]int{2, 240, 5, 61}, 240, 2},
		} {
			t.Run(fmt.Sprint(isa, c), func(t *testing.T) {
				x, bias := noise(1, c.shape[0]*c.shape[1]*c.shape[2]*c.shape[3]), noise(3, c.outputs)
				weight := noise(2, c.outputs*c.shape[1]/c.groups*9)
				got := grouped(t, rt, true, 1, x, weight, bias, c.shape, c.outputs, c.groups)
				want := grouped(t, rt, false, 1, x, weight, bias, c.shape, c.outputs, c.groups)
				if off := relative.L2(got, want); !(off < 2e-6) {
					t.Errorf("relative L2 distance from ONNX Runtime's %.1e", off)
				}
				if !slices.Equal(grouped(t, rt, true, 3, x, weight, bias, c.shape, c.outputs, c.groups), got) {
					t.Error("other bits on three threads")
				}
				one := c.shape
				one[0] = 1
				for n := range c.shape[0] {
					in, out := len(x)/c.shape[0], len(got)/c.shape[0]
					alone := grouped(t, rt, true, 1, x[n*in:(n+1)*in], weight, bias, one, c.outputs, c.groups)
					if !slices.Equal(alone, got[n*out:(n+1)*out]) {
						t.Errorf("image %d alone has other bits", n)
					}
				}
			})
		}
	}
}
