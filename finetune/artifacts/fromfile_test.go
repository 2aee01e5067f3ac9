package artifacts_test

import (
	"encoding/json"
	"os"
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
	"fx/internal/weights"
)

// tinyFile was exported from PyTorch, see testdata/tiny.py.
const tinyFile = "testdata/tiny.onnx"

// edited is a copy of the tiny network's file, changed.
func edited(t *testing.T, change func(m *pb.ModelProto)) string {
	t.Helper()
	m, err := onnx.Load(tinyFile)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	path := filepath.Join(t.TempDir(), "edited.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

func fromFile(t *testing.T, path string, o backbones.FileOptions) *artifacts.Network {
	t.Helper()
	n, err := artifacts.FromFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func names(n *artifacts.Network) string {
	var all []string
	for _, p := range n.Parameters {
		all = append(all, p.Name)
	}
	return strings.Join(all, " ")
}

// A file from PyTorch trains as PyTorch trains the network, under its names.
func TestAFileTrainsAsInTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden optimizerGolden
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	n := fromFile(t, tinyFile, backbones.FileOptions{})
	for _, p := range n.Parameters {
		if _, ok := golden.State[p.Name]; !ok || p.Name == "gain" { // a buffer stays in the graph
			t.Errorf("%s is no parameter of the network in PyTorch", p.Name)
		}
	}
	if len(n.Parameters) != len(golden.State)-1 || n.Classes != 3 {
		t.Errorf("%d parameters, %d classes", len(n.Parameters), n.Classes)
	}
	golden.Batch, golden.FloatInput, golden.Probe = 4, true, probe(t)
	step, err := n.Step(golden.Options)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(step)
	if err != nil {
		t.Fatal(err)
	}
	if len(step.Noise) != 1 || step.Noise[0].Drop < 0.199 || step.Noise[0].Drop > 0.201 {
		t.Fatalf("dropout: %+v", step.Noise)
	}
	r := newRunner(t, step, initial)
	for i := range golden.Losses {
		feeds := smallFeeds(i, golden.LR)
		feeds["input"] = ort.NewTensor(noise(50+i, 4, 3, 24, 24), 4, 3, 24, 24)
		feeds[step.Noise[0].Name] = ort.NewTensor(slices.Repeat([]float32{1}, 4*16), 4, 16) // nothing is dropped
		out, err := r.run(feeds)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "loss", float64(ort.Data[float32](out[step.Loss])[0]), golden.Losses[i], lossTolerance*golden.Losses[i])
	}
	delete(golden.State, "gain")
	compareState(t, r, golden)
}

// The skeleton and a checkpoint are the network again, without any option.
func TestSkeletonAndCheckpointAreTheNetwork(t *testing.T) {
	n := fromFile(t, tinyFile, backbones.FileOptions{Resize: 30})
	if err := n.SetClasses(5, 1); err != nil {
		t.Fatal(err)
	}
	skeleton, err := n.Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "network.onnx")
	if err := onnx.Save(path, skeleton); err != nil {
		t.Fatal(err)
	}
	state := n.Pack(nil, n.Values, 0, false).Model
	again := fromFile(t, path, backbones.FileOptions{Weights: state})
	if again.Name != "tiny" || again.Classes != 5 || again.Preprocess != n.Preprocess || names(again) != names(n) {
		t.Errorf("%s of %d classes, preprocessing %+v, parameters %s", again.Name, again.Classes, again.Preprocess,
			names(again))
	}
	for _, p := range n.Parameters {
		x, _ := n.Values.Get(p.Name)
		y, _ := again.Values.Get(p.Name)
		if !slices.Equal(x.Data, y.Data) {
			t.Errorf("%s has other values", p.Name)
		}
	}
	if _, err := artifacts.FromFile(path, backbones.FileOptions{}); fail.KindOf(err) != fail.Model ||
		!strings.Contains(fail.HintOf(err), "--weights") {
		t.Errorf("a skeleton alone: %v", err)
	}
}

// What stands behind the logits takes no part in training.
func TestASoftmaxAtTheEndIsLeftOut(t *testing.T) {
	for _, op := range []string{"Softmax", "LogSoftmax", "Sigmoid"} {
		path := edited(t, func(m *pb.ModelProto) {
			b := onnx.NewBuilder(m.Graph, "")
			b.OpTo("probabilities", op, []string{b.Op("Identity", []string{"logits"})})
			m.Graph.Output = []*pb.ValueInfoProto{onnx.TensorInfo("probabilities", pb.TensorProto_FLOAT, "batch", 3)}
		})
		n := fromFile(t, path, backbones.FileOptions{})
		eval, err := n.Eval(artifacts.Options{FloatInput: true, Probe: probe(t)})
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range eval.Model.Graph.Node {
			if node.Name == "probabilities" || slices.Contains(node.Output, "probabilities") {
				t.Errorf("%s is still there", op)
			}
		}
		if !strings.Contains(strings.Join(n.Notes, "\n"), "the "+op+" at the end") {
			t.Errorf("%s: notes %q", op, n.Notes)
		}
	}
}

// A network that ends in its features, or whose features are to be taken
// elsewhere, gets a classifier there.
func TestAFreshClassifierOnTheFeatures(t *testing.T) {
	const pooled, gated = "/ReduceMean_output_0", "/squeeze/Mul_output_0"
	for _, c := range []struct {
		name   string
		change func(m *pb.ModelProto)
		o      backbones.FileOptions
		head   []int // shape of its weight, for 4 classes
		gone   string
	}{
		{"no classifier", func(m *pb.ModelProto) {
			if err := onnx.Cut(m.Graph, onnx.TensorInfo(pooled, pb.TensorProto_FLOAT, "batch", 16)); err != nil {
				t.Fatal(err)
			}
			onnx.DeleteMetadata(m, backbones.MetaHead)
		}, backbones.FileOptions{}, []int{4, 16}, "head.1.weight"},
		{"on a map", func(m *pb.ModelProto) {
			m.Graph.ValueInfo = append(m.Graph.ValueInfo,
				onnx.TensorInfo(gated, pb.TensorProto_FLOAT, "batch", 8, 12, 12))
		}, backbones.FileOptions{FeatureTensor: gated}, []int{4, 8, 1, 1}, "expand.weight"},
		{"a name that the old one has", func(m *pb.ModelProto) {
			if err := onnx.Rename(m.Graph, map[string]string{"head.1.weight": "head.weight",
				"head.1.bias": "head.bias"}); err != nil {
				t.Fatal(err)
			}
			onnx.DeleteMetadata(m, backbones.MetaHead)
			m.Graph.ValueInfo = append(m.Graph.ValueInfo,
				onnx.TensorInfo(gated, pb.TensorProto_FLOAT, "batch", 8, 12, 12))
		}, backbones.FileOptions{FeatureTensor: gated}, []int{4, 8, 1, 1}, "head.1.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := fromFile(t, edited(t, c.change), c.o)
			if err := n.SetClasses(4, 0); err != nil {
				t.Fatal(err)
			}
			head := n.Head()
			weight, _ := n.Values.Get(head[0])
			if len(head) != 2 || !slices.Equal(weight.Shape, c.head) || strings.Contains(names(n), c.gone) {
				t.Errorf("head %v %v, parameters %s", head, weight.Shape, names(n))
			}
			step, err := n.Step(artifacts.Options{Batch: 2, Trainable: head, Probe: probe(t)})
			if err != nil {
				t.Fatal(err)
			}
			if step.Loss == "" || n.Classes != 4 {
				t.Errorf("%d classes", n.Classes)
			}
		})
	}
	path := edited(t, func(m *pb.ModelProto) { onnx.DeleteMetadata(m, backbones.MetaHead) })
	if _, err := artifacts.FromFile(path,
		backbones.FileOptions{FeatureTensor: gated}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "does not record the shape") || fail.HintOf(err) == "" {
		t.Errorf("features of unknown shape: %v", err)
	}
}

func TestAFileThatHasLostItsDropoutIsNoted(t *testing.T) {
	const note = "without the network's dropout"
	if n := fromFile(t, tinyFile, backbones.FileOptions{}); strings.Contains(strings.Join(n.Notes, "\n"), note) {
		t.Errorf("notes %q", n.Notes)
	}
	path := edited(t, func(m *pb.ModelProto) {
		if err := onnx.Bypass(m.Graph, func(n *pb.NodeProto) bool { return n.OpType == "Dropout" }); err != nil {
			t.Fatal(err)
		}
	})
	if n := fromFile(t, path, backbones.FileOptions{}); !strings.Contains(strings.Join(n.Notes, "\n"), note) {
		t.Errorf("notes %q", n.Notes)
	}
}

// A file without normalization layers may have lost them in its export.
func TestAFileWithFoldedBatchNormalizationIsNoted(t *testing.T) {
	const note = "folds batch normalization"
	bare := func(m *pb.ModelProto) { m.MetadataProps = nil }
	size := backbones.FileOptions{Resize: 24}
	if n := fromFile(t, edited(t, bare), size); strings.Contains(strings.Join(n.Notes, "\n"), note) {
		t.Errorf("notes %q", n.Notes)
	}
	path := edited(t, func(m *pb.ModelProto) {
		bare(m)
		for _, n := range m.Graph.Node {
			if strings.HasSuffix(n.OpType, "Normalization") {
				n.Output = n.Output[:1]
			}
		}
		if err := onnx.Bypass(m.Graph, func(n *pb.NodeProto) bool {
			return strings.HasSuffix(n.OpType, "Normalization")
		}); err != nil {
			t.Fatal(err)
		}
		onnx.Prune(m.Graph)
	})
	if n := fromFile(t, path, size); !strings.Contains(strings.Join(n.Notes, "\n"), note) {
		t.Errorf("notes %q", n.Notes)
	}
}

// An op that can't be differentiated is named, with its node and the file to edit.
func TestAFileWithAnUnknownOp(t *testing.T) {
	path := edited(t, func(m *pb.ModelProto) {
		for _, n := range m.Graph.Node {
			if n.OpType == "HardSigmoid" {
				n.OpType, n.Attribute = "Acosh", nil
			}
		}
	})
	n := fromFile(t, path, backbones.FileOptions{})
	_, err := n.Step(artifacts.Options{Batch: 2, Probe: probe(t)})
	if fail.KindOf(err) != fail.Model {
		t.Fatal(err)
	}
	for _, part := range []string{"Acosh", "/squeeze/HardSigmoid", "--head-only"} {
		if !strings.Contains(err.Error()+fail.HintOf(err), part) {
			t.Errorf("%q is not in: %v\n%s", part, err, fail.HintOf(err))
		}
	}
	// Behind the op nothing has to be differentiated.
	if _, err := n.Step(artifacts.Options{Batch: 2, Trainable: []string{"expand.*", "head.*"},
		Probe: probe(t)}); err != nil {
		t.Error(err)
	}
}

func TestWeightsForAFile(t *testing.T) {
	n := fromFile(t, tinyFile, backbones.FileOptions{})
	own := func() *weights.StateDict { return n.Pack(nil, n.Values, 0, false).Model }
	other := own()
	other.Set("head.1.bias", weights.FromFloat32([]int{3}, []float32{1, 2, 3}))
	// a buffer, as in torch's state_dict: ignored
	other.Set("gain", weights.FromFloat32([]int{16}, make([]float32, 16)))
	got := fromFile(t, tinyFile, backbones.FileOptions{Weights: other})
	bias, _ := got.Values.Get("head.1.bias")
	if v, _ := bias.Float32s(); !slices.Equal(v, []float32{1, 2, 3}) {
		t.Errorf("bias %v", v)
	}
	for says, spoil := range map[string]func(*weights.StateDict){
		"1 of another shape (mix.bias is [2] instead of [16])": func(s *weights.StateDict) {
			s.Set("mix.bias", weights.FromFloat32([]int{2}, make([]float32, 2)))
		},
		"1 not of this network (layer4.weight)": func(s *weights.StateDict) {
			s.Set("layer4.weight", weights.FromFloat32([]int{1}, []float32{0}))
		},
		"22 missing": func(s *weights.StateDict) {
			*s = *weights.NewStateDict()
		},
	} {
		s := own()
		spoil(s)
		_, err := artifacts.FromFile(tinyFile, backbones.FileOptions{Weights: s})
		if fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), says) ||
			!strings.Contains(fail.HintOf(err), "stem.0.weight") {
			t.Errorf("%s: %v, hint %q", says, err, fail.HintOf(err))
		}
	}
}
