package autodiff_test

import (
	"fmt"
	"slices"
	"testing"

	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

const (
	float    = pb.TensorProto_FLOAT
	float16  = pb.TensorProto_FLOAT16
	bfloat16 = pb.TensorProto_BFLOAT16
)

// The opset of bfloat16 has no MaxPool on CUDA. Its replacement has the same
// gradients; here all of it is float32, since what comes in is.
func TestMaxPoolByTaps(t *testing.T) {
	rt := orttest.Runtime(t)
	tried := 0
	for _, c := range poolingCases() {
		if c.op != "MaxPool" && c.op != "GlobalMaxPool" {
			continue
		}
		tried++
		c.low = bfloat16
		if err := c.check(rt); err != nil {
			t.Errorf("%s %s: %v", c.op, c.name, err)
		}
	}
	if tried < 5 {
		t.Errorf("only %d cases were tried", tried)
	}
}

// Of equal values the first is the greatest, padding never is, as in MaxPool.
func TestMaxPoolByTapsChoosesAsMaxPool(t *testing.T) {
	rt := orttest.Runtime(t)
	shape := dims{2, 3, 7, 6}
	x := make([]float32, product(shape))
	for i := range x {
		x[i] = float32(i*7%3) - 2 // many ties, all of them below the zeros of a padding
	}
	for _, w := range []windowed{
		{kernel: dims{3, 3}, strides: dims{2, 2}, pads: dims{1, 1, 1, 1}},
		{kernel: dims{2, 3}, strides: dims{1, 2}},
		{kernel: dims{2, 2}, strides: dims{2, 2}, pads: dims{1, 0, 0, 1}},
		{kernel: dims{3, 2}, strides: dims{1, 1}, dilations: dims{2, 3}},
	} {
		run := func(low pb.TensorProto_DataType) []string {
			c := node("MaxPool", "ties", vars(shape), w.attributes(true)...)
			m, y := c.model()
			graph, err := autodiff.New(m, autodiff.Options{Trainable: []string{"x"}, Probe: ortprobe.New(rt), Low: low})
			if err != nil {
				t.Fatal(err)
			}
			out, _ := graph.Value(y)
			seed := graph.Build.Input(tensorInfo("seed", out.Shape))
			gradients, err := graph.Backward(map[string]string{y: seed})
			if err != nil {
				t.Fatal(err)
			}
			step, err := graph.Finish(tensorInfo(y, out.Shape), tensorInfo(graph.Op("Identity", gradients["x"]), shape))
			if err != nil {
				t.Fatal(err)
			}
			dy := make([]float32, product(out.Shape))
			for i := range dy {
				dy[i] = float32(i + 1) // whole numbers: sums are exact in any order
			}
			results := orttest.Outputs(t, rt, step, 1, ort.NewTensor(x, shape...), ort.NewTensor(dy, out.Shape...))
			return []string{fmt.Sprint(results[0]), fmt.Sprint(results[1])}
		}
		if taps, op := run(bfloat16), run(0); !slices.Equal(taps, op) {
			t.Errorf("%+v: by taps\n%v, MaxPool gives\n%v", w, taps, op)
		}
	}
}

// Which type each op is computed in, and gives.
func TestTypesOfMixedPrecision(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, low := range []pb.TensorProto_DataType{float16, bfloat16} {
		g := &pb.GraphProto{Name: "types"}
		b := onnx.NewBuilder(g, "")
		x := b.Input(tensorInfo("x", dims{2, 3, 8, 8}))
		w := b.Input(tensorInfo("w", dims{4, 3, 3, 3}))
		gamma := b.Input(tensorInfo("gamma", dims{1, 4, 1, 1}))
		four := func(name string) string { return b.Input(tensorInfo(name, dims{4})) }
		values := map[string]string{} // what is given → its name
		add := func(what, op string, inputs []string, attributes ...*pb.AttributeProto) string {
			values[what] = b.Op(op, inputs, attributes...)
			return values[what]
		}
		image := add("scaled image", "Mul", []string{x, b.Float32("scale", 0.5)})
		conv := add("convolution", "Conv", []string{image, w}, onnx.Ints("pads", 1, 1, 1, 1))
		norm := add("batch normalization", "BatchNormalization",
			[]string{conv, four("a"), four("b"), four("c"), four("d")})
		relu := add("relu", "Relu", []string{norm})
		sum := add("sum of two in the low type", "Add", []string{relu, conv})
		scaled := add("product with a parameter", "Mul", []string{sum, gamma})
		again := add("convolution after float32", "Conv", []string{scaled, b.Input(tensorInfo("v", dims{4, 4, 1, 1}))})
		pooled := add("max pooling", "MaxPool", []string{again}, onnx.Ints("kernel_shape", 2, 2),
			onnx.Ints("strides", 2, 2))
		mean := add("average pooling", "GlobalAveragePool",
			[]string{add("clip", "Clip", []string{pooled, b.Float32("zero", 0), b.Float32("six", 6)})})
		flat := add("flatten", "Flatten", []string{mean})
		g.Output = []*pb.ValueInfoProto{{Name: flat}, {Name: add("softmax", "Softmax", []string{flat})}}
		m := &pb.ModelProto{IrVersion: 9, Graph: g}
		onnx.SetOpset(m, "", 20)
		graph, err := autodiff.New(m, autodiff.Options{Trainable: []string{"w", "v", "gamma"},
			Probe: ortprobe.New(rt), Low: low})
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]pb.TensorProto_DataType{
			"scaled image": float, "convolution": low, "batch normalization": low, "relu": low,
			"sum of two in the low type": low, "product with a parameter": float, "convolution after float32": low,
			"max pooling": low, "clip": low, "average pooling": low, "flatten": low, "softmax": float,
		} {
			if got, _ := graph.Value(values[what]); got.DType != want {
				t.Errorf("%v: %s is %v, want %v", low, what, got.DType, want)
			}
		}
		for _, out := range graph.Outputs {
			if got, _ := graph.Value(out); got.DType != float {
				t.Errorf("%v: the output %s is %v", low, out, got.DType)
			}
		}
	}
}
