package backbones

import (
	"math"
	"strings"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/random"
	"fx/internal/weights"
)

// lively gives batch normalizations scales, shifts and statistics that do something.
func lively(sd *weights.StateDict) *weights.StateDict {
	return reshaped(sd, func(name string, w weights.Tensor) (string, weights.Tensor) {
		low, high := 0.0, 0.0
		switch {
		case strings.HasSuffix(name, "running_var"), len(w.Shape) == 1 && strings.HasSuffix(name, ".weight"):
			low, high = 0.5, 2
		case strings.HasSuffix(name, "running_mean"), len(w.Shape) == 1 && strings.HasSuffix(name, ".bias"):
			low, high = -0.2, 0.2
		default:
			return name, w
		}
		s := random.New(1, name)
		values := make([]float32, len(w.Data)/4)
		for i := range values {
			values[i] = float32(s.Uniform(low, high))
		}
		return name, weights.FromFloat32(w.Shape, values)
	})
}

func countOps(g *pb.GraphProto, op string) int {
	n := 0
	for _, node := range g.Node {
		if node.OpType == op {
			n++
		}
	}
	return n
}

// A classifier has the batch normalizations of its network no more, but for
// those before a ReLU and a convolution in DenseNet, and the same logits.
func TestClassifierFoldsBatchNormalization(t *testing.T) {
	for name, left := range map[string]int{"resnet18": 0, "densenet121": 62, "efficientnet_lite0": 0} {
		b, sd := mustSeed(t, name, 0)
		full, err := Assemble(b, lively(sd))
		if err != nil {
			t.Fatal(err)
		}
		f, err := features(full, b)
		if err != nil {
			t.Fatal(err)
		}
		before := countOps(f.Graph, "BatchNormalization")
		pixels, size := pattern(64, 64), 64
		for _, in := range f.Graph.Input {
			in.Type = onnx.TensorInfo("", pb.TensorProto_UINT8, "batch", size, size, 3).Type
		}
		f.Graph.Output[0].Type.GetTensorType().Shape = nil
		want := run(t, session(t, f), pixels, 2, size)
		weight, bias := someHead(b.Head, 1)
		m, err := Classifier(f, b.Head, []string{"a", "b", "c"}, weight, bias, ClassifierOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := countOps(m.Graph, "BatchNormalization"); got != left || before <= left {
			t.Errorf("%s: %d of %d batch normalizations are left, want %d", name, got, before, left)
		}
		if got := countOps(f.Graph, "BatchNormalization"); got != before {
			t.Errorf("%s: the feature model was changed", name)
		}
		if err := onnx.Cut(m.Graph, &pb.ValueInfoProto{Name: FeaturesName}); err != nil {
			t.Fatal(err)
		}
		got := run(t, session(t, m), pixels, 2, size)
		var difference, norm float64
		for i, v := range want {
			difference += math.Pow(float64(got[i]-v), 2)
			norm += math.Pow(float64(v), 2)
		}
		if d := math.Sqrt(difference / norm); !(d < 1e-5) || norm == 0 {
			t.Errorf("%s: features differ by %.1e of their norm", name, d)
		}
	}
}
