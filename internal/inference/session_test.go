package inference

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/relative"
)

// network is a convolution of each kind that networks have, and a fully connected layer.
func network() *pb.ModelProto {
	g := &pb.GraphProto{Name: "network"}
	b := onnx.NewBuilder(g, "")
	seed := uint64(100)
	weight := func(dims ...int64) string {
		n := 1
		for _, d := range dims {
			n *= int(d)
		}
		seed++
		v := noise(seed, n)
		for i := range v {
			v[i] *= float32(math.Sqrt(3 / float64(n/int(dims[0]))))
		}
		return b.Constant(onnx.NewFloat32("weight", dims, v))
	}
	convolve := func(x string, in, out, size int64, attributes ...*pb.AttributeProto) string {
		pad := size / 2
		return b.Op("Relu",
			[]string{b.Op("Conv", []string{x, weight(out, in, size, size)},
				append(attributes, onnx.Ints("pads", pad, pad, pad, pad))...)})
	}
	x := b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "batch", 3, 33, 30))
	x = convolve(x, 3, 32, 3) // of fewer channels than a block
	x = convolve(x, 32, 64, 3)
	x = b.Op("Add", []string{convolve(x, 64, 64, 3), x})
	x = b.Op("Concat", []string{convolve(x, 64, 32, 5), convolve(x, 64, 32, 1), convolve(x, 64, 72, 3)},
		onnx.Int("axis", 1))
	x = convolve(x, 136, 64, 3, onnx.Ints("strides", 2, 2))
	x = convolve(x, 64, 64, 3, onnx.Ints("dilations", 2, 2))
	x = b.Op("Conv", []string{x, weight(64, 16, 3, 3)}, onnx.Int("group", 4))
	x = convolve(x, 64, 72, 1)
	x = b.Op("Relu", []string{b.Op("Conv", []string{x, weight(48, 24, 3, 3), weight(48)}, onnx.Int("group", 3),
		onnx.Ints("pads", 1, 0, 2, 1))}) // whose groups are no whole blocks
	x = b.Op("LeakyRelu", []string{b.Op("Conv", []string{x, weight(64, 48, 3, 3)})})
	x = b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{x})})
	x = b.Op("Relu", []string{b.Op("Gemm", []string{x, weight(512, 64)}, onnx.Int("transB", 1))})
	b.OpTo("y", "Gemm", []string{x, weight(10, 512)}, onnx.Int("transB", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, "batch", 10)}
	m := &pb.ModelProto{IrVersion: 8, Graph: g}
	onnx.SetOpset(m, "", 17)
	return m
}

func run(t *testing.T, s *ort.Session) []float32 {
	t.Helper()
	outputs := make([]ort.Tensor, 1)
	if err := s.Run(context.Background(), []ort.Tensor{ort.NewTensor(noise(7, 2*3*33*30), 2, 3, 33, 30)},
		outputs); err != nil {
		t.Fatal(err)
	}
	return ort.Data[float32](outputs[0])
}

func opened(t *testing.T, rt *ort.Runtime) *ort.Session {
	t.Helper()
	s, err := NewSession(rt, network(), ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// suited skips where this processor's blocks are not those of the kernels.
func suited(t *testing.T, rt *ort.Runtime) {
	t.Helper()
	if err := trial(rt); err != nil {
		t.Skipf("tiles do not suit this machine: %v", err)
	}
}

func TestSessionGivesONNXRuntimesResults(t *testing.T) {
	rt := orttest.Runtime(t)
	suited(t, rt)
	fast := opened(t, rt)
	if got := fast.ProviderOptions()[Setting]; !strings.HasPrefix(got, "ConvTiles ") {
		t.Fatalf("convolutions by %q", got)
	}
	t.Setenv(Variable, "off")
	plain := opened(t, rt)
	if got := plain.ProviderOptions()[Setting]; got != "ONNX Runtime: FX_CONV_TILES=off" {
		t.Fatalf("switched off, convolutions by %q", got)
	}
	got, want := run(t, fast), run(t, plain)
	if off := relative.L2(got, want); !(off < 1e-6) || !slices.ContainsFunc(want, func(v float32) bool {
		return v != 0
	}) {
		t.Errorf("relative L2 distance %.1e of %v and %v", off, got, want)
	}
}

func TestReplacesWhatTilesCanDo(t *testing.T) {
	rt := orttest.Runtime(t)
	suited(t, rt)
	m, err := optimize(rt, network(), ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	replaceConvolutions(m)
	got := map[string]int{}
	for _, n := range m.Graph.Node {
		got[n.OpType]++
	}
	// ConvTiles: 3×3 of 32 and of 64 channels, 5×5, and 3×3 after Concat's branch
	if got["ConvTiles"] != 4 || got["Conv3x3"] != 1 {
		t.Errorf("replaced by %v, want 4 ConvTiles and 1 Conv3x3", got)
	}
	inputs := len(m.Graph.Input)
	if inputs != 1 || len(network().Graph.Input) != 1 {
		t.Errorf("%d inputs after the constants were put back", inputs)
	}
}

// A network without a convolution for the kernels is not optimized twice.
func TestCandidates(t *testing.T) {
	for name, c := range map[string]struct {
		weight     []int64
		attributes []*pb.AttributeProto
		want       bool
	}{
		"3×3":           {weight: []int64{64, 32, 3, 3}, want: true},
		"5×5":           {weight: []int64{64, 32, 5, 5}, want: true},
		"3×3 in groups": {[]int64{72, 24, 3, 3}, []*pb.AttributeProto{onnx.Int("group", 3)}, true},
		"3×3, stride 2": {[]int64{64, 32, 3, 3}, []*pb.AttributeProto{onnx.Ints("strides", 2, 2)}, false},
		"1×1":           {weight: []int64{64, 32, 1, 1}},
		"patches":       {[]int64{768, 3, 16, 16}, []*pb.AttributeProto{onnx.Ints("strides", 16, 16)}, false},
		"depthwise":     {[]int64{96, 1, 3, 3}, []*pb.AttributeProto{onnx.Int("group", 96)}, false},
	} {
		g := &pb.GraphProto{Name: name}
		b := onnx.NewBuilder(g, "")
		weight := b.Constant(&pb.TensorProto{Name: "weight", Dims: c.weight, DataType: pb.TensorProto_FLOAT})
		b.OpTo("y", "Conv", []string{"x", weight}, c.attributes...)
		if got := hasCandidates(&pb.ModelProto{Graph: g}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Where the device was not asked for, the session says why it is the CPU.
func TestSaysWhyItRunsOnTheCPU(t *testing.T) {
	rt := orttest.Runtime(t)
	suited(t, rt)
	device, _, why, err := rt.Resolve(ort.Auto)
	if err != nil || device != ort.CPU {
		t.Skipf("it runs on %s: %v", device, err)
	}
	s, err := NewSession(rt, network(), ort.SessionOptions{Device: ort.Auto, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Why() != "cpu: "+why || strings.Contains(s.Why(), "asked for") {
		t.Errorf("it runs on %s, not for the reason %q", s.Why(), why)
	}
}

func TestLeavesTheModelAsItIs(t *testing.T) {
	rt := orttest.Runtime(t)
	m := network()
	before, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession(rt, m, ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	after, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the model was changed")
	}
}

// TestTrialFindsAnotherLayout gives the kernels a vector of another length than ONNX
// Runtime's blocks have.
func TestTrialFindsAnotherLayout(t *testing.T) {
	rt := orttest.Runtime(t)
	suited(t, rt)
	t.Setenv("FX_KERNELS_ISA", "generic")
	if err := compare(rt, trialModel()); err == nil {
		t.Error("blocks of another length were not found out")
	} else {
		t.Log(err)
	}
}

func TestNothingToReplace(t *testing.T) {
	rt := orttest.Runtime(t)
	suited(t, rt)
	g := &pb.GraphProto{Name: "plain"}
	b := onnx.NewBuilder(g, "")
	x := b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, 1, 4))
	b.OpTo("y", "Relu", []string{x})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, 1, 4)}
	m := &pb.ModelProto{IrVersion: 8, Graph: g}
	onnx.SetOpset(m, "", 17)
	s, err := NewSession(rt, m, ort.SessionOptions{Device: ort.CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.ProviderOptions()[Setting]; got != "ONNX Runtime: "+noneSuits.Error() {
		t.Errorf("convolutions by %q", got)
	}
}
