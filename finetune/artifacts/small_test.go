package artifacts_test

import (
	"path/filepath"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// small is the network of testdata/make_goldens.py: conv 3→4, batch
// normalization, ReLU, max pooling, linear 64→3, on images of 8×8.
func small(t testing.TB) *artifacts.Network {
	t.Helper()
	g := &pb.GraphProto{Name: "small"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("input", pb.TensorProto_FLOAT, "batch", 3, 8, 8))
	for k, p := range []struct {
		name string
		dims []int64
	}{{"conv.weight", []int64{4, 3, 3, 3}}, {"conv.bias", []int64{4}}, {"bn.weight", []int64{4}}, {"bn.bias",
		[]int64{4}}, {"fc.weight", []int64{3, 64}}, {"fc.bias", []int64{3}}} {
		values := noise(k+1, p.dims...)
		for i := range values {
			values[i] /= 4
		}
		b.Constant(onnx.NewFloat32(p.name, p.dims, values))
	}
	b.Constant(onnx.NewFloat32("bn.running_mean", []int64{4}, make([]float32, 4)))
	b.Constant(onnx.NewFloat32("bn.running_var", []int64{4}, []float32{1, 1, 1, 1}))
	x := b.Op("Conv", []string{"input", "conv.weight", "conv.bias"}, onnx.Ints("pads", 1, 1, 1, 1))
	x = b.Op("BatchNormalization", []string{x, "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"})
	x = b.Op("MaxPool", []string{b.Op("Relu", []string{x})}, onnx.Ints("kernel_shape", 2, 2),
		onnx.Ints("strides", 2, 2))
	b.OpTo("logits", "Gemm", []string{b.Op("Flatten", []string{x}), "fc.weight", "fc.bias"}, onnx.Int("transB", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("logits", pb.TensorProto_FLOAT, "batch", 3)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	path := filepath.Join(t.TempDir(), "small.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	n, err := artifacts.FromFile(path, backbones.FileOptions{Resize: 8, Crop: 8})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mix is a 32-bit hash of i; the goldens' scripts compute the same.
func mix(i int) uint32 {
	h := uint32(i) * 0x9E3779B1
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	return h ^ h>>15
}

// noise are numbers in [-1, 1) with 16 bits.
func noise(k int, dims ...int64) []float32 {
	count := int64(1)
	for _, d := range dims {
		count *= d
	}
	v := make([]float32, count)
	for i := range v {
		v[i] = float32(float64(mix(i+100003*k)>>16)/32768 - 1)
	}
	return v
}

func smallPhotos(step int) []float32 { return noise(50+step, 4, 3, 8, 8) }

func smallLabels(step int) []int64 {
	var l []int64
	for i := range 4 {
		l = append(l, int64((step+i*i)%3))
	}
	return l
}
