package artifacts_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/weights"
)

// elsewhere is a network as other exporters write it, without metadata: constants are initializers, like parameters.
func elsewhere() *pb.ModelProto {
	g := &pb.GraphProto{Name: "elsewhere"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("photo", pb.TensorProto_FLOAT, "batch", 3, 8, 8))
	weight := func(k int, name string, dims ...int64) string {
		return b.Constant(onnx.NewFloat32(name, dims, noise(k, dims...)))
	}
	scale := b.Constant(onnx.NewFloat32("attention_scale", []int64{1}, []float32{0.35}))
	x := b.Op("Conv", []string{"photo", weight(1, "conv.weight", 4, 3, 3, 3), weight(2, "conv.bias", 4)})
	x = b.Op("Mul", []string{x, scale})
	gate := b.Op("Conv", []string{x, weight(3, "gate.weight", 1, 4, 1, 1), weight(4, "gate.bias", 1)})
	x = b.Op("Mul", []string{b.Op("Mul", []string{x, b.Op("Sigmoid", []string{gate})}), scale})
	masked := b.Op("Greater", []string{weight(5, "mask", 6, 6), b.Float32("zero", 0)})
	x = b.Op("Where", []string{masked, x, b.Float32("none", 0)})
	x = b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{x})})
	loss := b.OpTo("loss", "Gemm", []string{x, weight(6, "fc.weight", 3, 4), weight(7, "fc.bias", 3)},
		onnx.Int("transB", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(loss, pb.TensorProto_FLOAT, "batch", 3)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	return m
}

func savedFile(t *testing.T, m *pb.ModelProto) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "network.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// openGraph checks that ONNX Runtime takes the graph.
func openGraph(t *testing.T, g *artifacts.Graph) {
	t.Helper()
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		t.Fatal(err)
	}
	session, err := orttest.Runtime(t).NewSession(data, ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	_ = session.Close()
}

// Constants stay as they are, with a note, and still do when the network comes back from a run. A value may have one
// of the training graph's own names.
func TestConstantsOfAFileFromElsewhere(t *testing.T) {
	const parameters = "conv.weight conv.bias gate.weight gate.bias fc.weight fc.bias"
	options := backbones.FileOptions{Resize: 8, Crop: 8}
	n := fromFile(t, savedFile(t, elsewhere()), options)
	if names(n) != parameters {
		t.Errorf("parameters %s", names(n))
	}
	const note = `2 stay as they are, such as "attention_scale"`
	if !strings.Contains(strings.Join(n.Notes, "\n"), note) {
		t.Errorf("notes %q", n.Notes)
	}
	if _, err := n.Step(artifacts.Options{Batch: 2, Probe: probe(t)}); err != nil {
		t.Error(err)
	}
	if _, err := n.Eval(artifacts.Options{Batch: 2, Probe: probe(t)}); err != nil {
		t.Error(err)
	}
	skeleton, err := n.Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	again := fromFile(t, savedFile(t, skeleton), backbones.FileOptions{Weights: n.Pack(nil, n.Values, 0, false).Model})
	if names(again) != parameters {
		t.Errorf("the parameters come back as %s", names(again))
	}
}

// A run of an older fx trained the constants too: its skeleton has no values for them.
func TestSkeletonOfAnOlderFx(t *testing.T) {
	m := elsewhere()
	n := fromFile(t, savedFile(t, m), backbones.FileOptions{Resize: 8, Crop: 8})
	skeleton, err := n.Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	state := n.Pack(nil, n.Values, 0, false).Model
	onnx.DeleteMetadata(skeleton, backbones.MetaBuffers)
	for _, tensor := range skeleton.Graph.Initializer {
		if tensor.Name == "attention_scale" {
			value, err := onnx.Float32s(tensor)
			if err != nil {
				t.Fatal(err)
			}
			state.Set(tensor.Name, weights.FromFloat32([]int{1}, value))
			tensor.RawData, tensor.FloatData = nil, nil
		}
	}
	again := fromFile(t, savedFile(t, skeleton), backbones.FileOptions{Weights: state})
	if want := "attention_scale " + names(n); names(again) != want {
		t.Errorf("parameters %s instead of %s", names(again), want)
	}
}

// Files of opset 13 to 17 are brought to 18; older ones are refused.
func TestOlderOpsets(t *testing.T) {
	for _, opset := range []int64{13, 17} {
		m := elsewhere()
		onnx.SetOpset(m, "", opset)
		n := fromFile(t, savedFile(t, m), backbones.FileOptions{Resize: 8, Crop: 8})
		for name, build := range map[string]func(artifacts.Options) (*artifacts.Graph, error){
			"step": n.Step, "eval": n.Eval,
		} {
			g, err := build(artifacts.Options{Batch: 2, Probe: probe(t)})
			if err != nil {
				t.Fatalf("opset %d, %s: %v", opset, name, err)
			}
			if got := onnx.Opset(g.Model, ""); got != 18 {
				t.Errorf("opset %d, %s: the graph has opset %d", opset, name, got)
			}
			openGraph(t, g)
		}
	}
	m := elsewhere()
	onnx.SetOpset(m, "", 12)
	_, err := artifacts.FromFile(savedFile(t, m), backbones.FileOptions{Resize: 8, Crop: 8})
	if fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), "opset 12") || fail.HintOf(err) == "" {
		t.Errorf("opset 12: %v", err)
	}
}

// A network that adds the logits of two classifiers gets a new one on the features of the first.
func TestTwoClassifiers(t *testing.T) {
	m := elsewhere()
	b := onnx.NewBuilder(m.Graph, "")
	second := b.Constant(onnx.NewFloat32("fc2.weight", []int64{3, 4}, noise(8, 3, 4)))
	features := m.Graph.Node[len(m.Graph.Node)-1].Input[0]
	sum := b.Op("Add", []string{"loss", b.Op("Gemm", []string{features, second}, onnx.Int("transB", 1))})
	m.Graph.Output = []*pb.ValueInfoProto{onnx.TensorInfo(sum, pb.TensorProto_FLOAT, "batch", 3)}
	if err := onnx.Rename(m.Graph, map[string]string{"fc.weight": "head.weight", "fc.bias": "head.bias"}); err != nil {
		t.Fatal(err)
	}
	m.Graph.ValueInfo = append(m.Graph.ValueInfo, onnx.TensorInfo(features, pb.TensorProto_FLOAT, "batch", 4))
	n := fromFile(t, savedFile(t, m), backbones.FileOptions{Resize: 8, Crop: 8, FeatureTensor: features})
	if err := n.SetClasses(5, 0); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(strings.Fields(names(n)), "fc2.weight") {
		t.Errorf("parameters %s", names(n))
	}
	step, err := n.Step(artifacts.Options{Batch: 2, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	openGraph(t, step)
}

// A file that ends with its features may call them logits.
func TestFeaturesCalledLogits(t *testing.T) {
	m := elsewhere()
	if err := onnx.Rename(m.Graph, map[string]string{"loss": "logits"}); err != nil {
		t.Fatal(err)
	}
	m.Graph.ValueInfo = append(m.Graph.ValueInfo, onnx.TensorInfo("logits", pb.TensorProto_FLOAT, "batch", 3))
	n := fromFile(t, savedFile(t, m), backbones.FileOptions{Resize: 8, Crop: 8, FeatureTensor: "logits"})
	eval, err := n.Eval(artifacts.Options{Batch: 2, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	openGraph(t, eval)
}
