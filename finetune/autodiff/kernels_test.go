package autodiff_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/random"
	"fx/internal/relative"
)

// layers are as large as in a network, with sizes that no vector divides: what
// the small cases of the rules cannot reach.
var layers = []struct {
	name   string
	shapes [][]int64 // of x, then of parameters
	nodes  string
	build  func(b *onnx.Builder) string
}{
	{"stem", [][]int64{{3, 3, 61, 59}, {10, 3, 7, 7}, {10}}, "ConvWeightGrad", convolution(7, 2, 3, 1, 1)},
	{"large stride", [][]int64{{2, 3, 67, 67}, {7, 3, 11, 11}, {7}}, "ConvWeightGrad", convolution(11, 4, 2, 1, 1)},
	{"small map", [][]int64{{5, 33, 7, 7}, {21, 33, 3, 3}, {21}}, "ConvWeightGrad", convolution(3, 1, 1, 1, 1)},
	{"one place", [][]int64{{4, 96, 1, 1}, {50, 96, 1, 1}, {50}}, "ConvWeightGrad", convolution(1, 1, 0, 1, 1)},
	{"few channels without bias", [][]int64{{3, 17, 13, 29}, {70, 17, 1, 1}}, "ConvWeightGrad", withoutBias(1, 1, 0)},
	{"a block without bias", [][]int64{{3, 64, 13, 29}, {70, 64, 1, 1}}, "ConvWeightGrad", withoutBias(1, 1, 0)},
	{"stride without bias", [][]int64{{3, 7, 73, 81}, {9, 7, 3, 3}}, "ConvWeightGrad", withoutBias(3, 2, 1)},
	{"wide map", [][]int64{{2, 6, 33, 801}, {5, 6, 3, 3}, {5}}, "ConvWeightGrad", convolution(3, 1, 1, 1, 1)},
	{"groups", [][]int64{{3, 12, 29, 31}, {18, 4, 3, 3}, {18}}, "ConvWeightGrad", convolution(3, 1, 1, 3, 1)},
	{"depthwise", [][]int64{{3, 9, 29, 31}, {9, 1, 5, 5}, {9}}, "ConvWeightGrad DepthwiseConv",
		convolution(5, 2, 2, 9, 1)},
	{"dilated", [][]int64{{3, 5, 29, 31}, {8, 5, 3, 3}, {8}}, "ConvWeightGrad", convolution(3, 2, 3, 1, 3)},
	{"3x3", [][]int64{{3, 21, 13, 29}, {37, 21, 3, 3}, {37}}, "ConvWeightGrad Conv3x3", convolution(3, 1, 1, 1, 1)},
	{"3x3 without padding", [][]int64{{2, 35, 56, 55}, {7, 35, 3, 3}, {7}}, "ConvWeightGrad Conv3x3",
		convolution(3, 1, 0, 1, 1)},
	{"3x3 of padding 2", [][]int64{{9, 70, 3, 2}, {7, 70, 3, 3}, {7}}, "ConvWeightGrad Conv3x3",
		convolution(3, 1, 2, 1, 1)},
	{"3x3 and relu", [][]int64{{3, 21, 13, 29}, {37, 21, 3, 3}, {37}}, "ConvWeightGrad Conv3x3 ActivationGrad",
		func(b *onnx.Builder) string {
			return b.Op("Relu", []string{convolution(3, 1, 1, 1, 1)(b)})
		}},
	{"3x3 of many channels", [][]int64{{2, 130, 29, 31}, {11, 130, 3, 3}, {11}}, "ConvWeightGrad Conv3x3",
		convolution(3, 1, 1, 1, 1)},
	{"3x3 of groups", [][]int64{{3, 72, 13, 29}, {48, 24, 3, 3}, {48}}, "ConvWeightGrad Conv3x3",
		convolution(3, 1, 1, 3, 1)},
	{"3x3 of small maps and groups", [][]int64{{2, 99, 7, 6}, {126, 11, 3, 3}, {126}}, "ConvWeightGrad Conv3x3",
		convolution(3, 1, 0, 9, 1)},
	{"padding beyond the map", [][]int64{{2, 4, 3, 3}, {6, 4, 7, 7}, {6}}, "ConvWeightGrad",
		convolution(7, 1, 6, 1, 1)},
	{"norm", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad", func(b *onnx.Builder) string {
		return normalized(b)
	}},
	{"norm of few places", [][]int64{{5, 19, 1, 3}, {19}, {19}}, "BatchNorm BatchNormGrad",
		func(b *onnx.Builder) string {
			return normalized(b)
		}},
	{"norm and relu", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad", func(b *onnx.Builder) string {
		return b.Op("Relu", []string{normalized(b)})
	}},
	{"norm that two read", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad ActivationGrad",
		func(b *onnx.Builder) string {
			y := normalized(b)
			return b.Op("Add", []string{y, b.Op("Relu", []string{y})})
		}},
	{"max pool", [][]int64{{3, 5, 55, 57}}, "MaxPool MaxPoolGrad", pooling(3, 2, 0, 1)},
	{"padded max pool", [][]int64{{3, 5, 54, 57}}, "MaxPool MaxPoolGrad", pooling(3, 2, 1, 0)},
	{"dense max pool", [][]int64{{2, 5, 23, 57}}, "MaxPool MaxPoolGrad", pooling(5, 1, 2, 0)},
	{"sparse max pool", [][]int64{{2, 5, 53, 57}}, "MaxPool MaxPoolGrad", pooling(2, 5, 0, 0)},
	{"max pool whose indices are read", [][]int64{{2, 5, 23, 57}}, "", func(b *onnx.Builder) string {
		pooled := b.Add("", "MaxPool", []string{"x0"}, 2, onnx.Ints("kernel_shape", 2, 2))
		places := b.Op("Cast", []string{pooled[1]}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
		return b.Op("Mul", []string{pooled[0], b.Op("Cos", []string{places})})
	}},
	{"relu", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("Relu", []string{"x0"})
	}},
	{"clip", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", clip("x0", -0.5, 0.75)},
	{"clip without a bound", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("Clip", []string{"x0", "", b.Float32("high", 0.5)})
	}},
	{"clip whose bounds are one", [][]int64{{3, 5, 55, 57}}, "", clip("x0", 1, 1)},
	{"hard sigmoid", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("HardSigmoid", []string{"x0"}, onnx.Float("alpha", 0.4))
	}},
	{"hard swish", [][]int64{{3, 5, 55, 57}}, "Activation ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("HardSwish", []string{far(b)})
	}},
	{"swish", [][]int64{{3, 5, 55, 57}}, "Activation ActivationGrad", func(b *onnx.Builder) string {
		return swish(b, far(b))
	}},
	{"sigmoid that two read", [][]int64{{3, 5, 55, 57}}, "", func(b *onnx.Builder) string {
		s := b.Op("Sigmoid", []string{"x0"})
		return b.Op("Add", []string{s, b.Op("Mul", []string{"x0", s})})
	}},
	{"gelu", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("Gelu", []string{far(b)})
	}},
	{"gelu by tanh", [][]int64{{3, 5, 55, 57}}, "ActivationGrad", func(b *onnx.Builder) string {
		return b.Op("Gelu", []string{far(b)}, onnx.String("approximate", "tanh"))
	}},
	{"norm and clip", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad", func(b *onnx.Builder) string {
		return clip(normalized(b), 0, 1)(b)
	}},
	{"norm and hard swish", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad",
		func(b *onnx.Builder) string { return b.Op("HardSwish", []string{normalized(b)}) }},
	{"norm and swish", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad", func(b *onnx.Builder) string {
		return swish(b, normalized(b))
	}},
	{"norm of few places and swish", [][]int64{{5, 19, 1, 3}, {19}, {19}}, "BatchNorm BatchNormGrad",
		func(b *onnx.Builder) string { return swish(b, normalized(b)) }},
	{"norm and gelu", [][]int64{{3, 7, 37, 41}, {7}, {7}}, "BatchNorm BatchNormGrad", func(b *onnx.Builder) string {
		return b.Op("Gelu", []string{normalized(b)})
	}},
}

func clip(x string, low, high float32) func(b *onnx.Builder) string {
	return func(b *onnx.Builder) string {
		return b.Op("Clip", []string{x, b.Float32("low", low), b.Float32("high", high)})
	}
}

// swish is what exporters write for torch's SiLU.
func swish(b *onnx.Builder, x string) string {
	return b.Op("Mul", []string{x, b.Op("Sigmoid", []string{x})})
}

// far is x0 times 30, where exponentials are at their limits.
func far(b *onnx.Builder) string { return b.Op("Mul", []string{"x0", b.Float32("thirty", 30)}) }

func convolution(kernel, stride, pad, group, dilation int64) func(b *onnx.Builder) string {
	return func(b *onnx.Builder) string {
		return b.Op("Conv", []string{"x0", "x1", "x2"}, onnx.Ints("kernel_shape", kernel, kernel),
			onnx.Ints("strides", stride, stride),
			onnx.Ints("pads", pad, pad, pad, pad), onnx.Ints("dilations", dilation, dilation), onnx.Int("group", group))
	}
}

func withoutBias(kernel, stride, pad int64) func(b *onnx.Builder) string {
	return func(b *onnx.Builder) string {
		return b.Op("Conv", []string{"x0", "x1"}, onnx.Ints("kernel_shape", kernel, kernel),
			onnx.Ints("strides", stride, stride), onnx.Ints("pads", pad, pad, pad, pad))
	}
}

func pooling(kernel, stride, pad, ceil int64) func(b *onnx.Builder) string {
	return func(b *onnx.Builder) string {
		return b.Op("MaxPool", []string{"x0"}, onnx.Ints("kernel_shape", kernel, kernel),
			onnx.Ints("strides", stride, stride),
			onnx.Ints("pads", pad, pad, pad, pad), onnx.Int("ceil_mode", ceil))
	}
}

// normalized normalizes x0 by x1 and x2; its running statistics are initializers.
func normalized(b *onnx.Builder) string {
	_, shape, _ := onnx.Shape(b.Graph.Input[1])
	ones := make([]float32, shape[0])
	for i := range ones {
		ones[i] = 1
	}
	for _, name := range []string{"running_mean", "running_var"} {
		b.Graph.Initializer = append(b.Graph.Initializer, onnx.NewFloat32(name, shape, ones))
	}
	return b.Op("BatchNormalization", []string{"x0", "x1", "x2", "running_mean", "running_var"})
}

// layer runs a layer forward and back and returns its output, the gradients and
// the statistics.
func layer(t *testing.T, rt *ort.Runtime, i, threads int, useKernels bool) [][]float32 {
	t.Helper()
	l := layers[i]
	g := &pb.GraphProto{Name: l.name}
	b := onnx.NewBuilder(g, "")
	names := []string{"x0", "x1", "x2"}[:len(l.shapes)]
	for k, name := range names {
		b.Input(tensorInfo(name, l.shapes[k]))
	}
	y := l.build(b)
	g.Output = []*pb.ValueInfoProto{{Name: y}}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	graph, err := autodiff.New(m, autodiff.Options{Trainable: names, Probe: ortprobe.New(rt), Kernels: useKernels})
	if err != nil {
		t.Fatal(err)
	}
	out, _ := graph.Value(y)
	seed := graph.Build.Input(tensorInfo("seed", out.Shape))
	gradients, err := graph.Backward(map[string]string{y: seed})
	if err != nil {
		t.Fatal(err)
	}
	results := []*pb.ValueInfoProto{tensorInfo(graph.Op("Identity", y), out.Shape)}
	for k, name := range names {
		results = append(results, tensorInfo(graph.Op("Identity", gradients[name]), l.shapes[k]))
	}
	for _, s := range graph.Statistics {
		results = append(results, tensorInfo(graph.Op("Identity", s.Next), l.shapes[1]))
	}
	step, err := graph.Finish(results...)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, n := range step.Graph.Node {
		if n.Domain == kernels.Domain {
			used[n.OpType] = true
		}
	}
	for _, op := range strings.Fields(l.nodes) {
		if used[op] != useKernels {
			t.Fatalf("%s: op %s is in the graph: %v, kernels asked for: %v", l.name, op, used[op], useKernels)
		}
	}
	data, err := onnx.Marshal(step)
	if err != nil {
		t.Fatal(err)
	}
	session, err := rt.NewSession(data, ort.SessionOptions{Device: ort.CPU, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var in []ort.Tensor
	for _, info := range session.Inputs() {
		stream := random.New(3, info.Name)
		values := make([]float32, product(info.Shape))
		for k := range values {
			values[k] = float32(stream.Normal())
			if strings.HasPrefix(info.Name, "running") {
				values[k] = 1
			}
		}
		in = append(in, ort.NewTensor(values, info.Shape...))
	}
	tensors := make([]ort.Tensor, len(results))
	if err := session.Run(context.Background(), in, tensors); err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, r := range tensors {
		all = append(all, ort.Data[float32](r))
	}
	return all
}

// TestKernels compares kernels with ONNX's own ops, by every instruction set, and
// with themselves on another number of threads, where the bits must agree. 1e-5
// of the norm is float32's rounding over sums of tens of thousands of terms.
func TestKernels(t *testing.T) {
	rt := orttest.Runtime(t)
	for i, l := range layers {
		t.Run(l.name, func(t *testing.T) {
			want := layer(t, rt, i, 2, false)
			for _, isa := range []string{"generic", "avx2", ""} {
				t.Setenv("FX_KERNELS_ISA", isa)
				got := layer(t, rt, i, 2, true)
				for k := range want {
					if d := relative.L2(got[k], want[k]); !(d <= 1e-5) {
						t.Errorf("%s: result %d differs by %.2g of its norm", kernels.InstructionSet(), k, d)
					}
				}
				for k, one := range layer(t, rt, i, 1, true) {
					if !slices.Equal(one, got[k]) {
						t.Errorf("%s: result %d depends on the number of threads", kernels.InstructionSet(), k)
					}
				}
			}
		})
	}
}
