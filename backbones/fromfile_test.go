package backbones

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

func saved(t *testing.T, m *pb.ModelProto) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "network.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// What Save wrote comes back as the same backbone, with the same features.
func TestSaveThenFromFile(t *testing.T) {
	for _, name := range small {
		b, sd := mustSeed(t, name, 2)
		path := filepath.Join(t.TempDir(), name+".onnx")
		if err := Save(path, b, sd); err != nil {
			t.Fatal(err)
		}
		got, m, err := FromFile(path, FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != b.Name || got.Preprocess != b.Preprocess || got.FeatureTensor != b.FeatureTensor ||
			got.Head != b.Head || !slices.Equal(got.FeatureShape, b.FeatureShape) || got.File != path ||
			got.Batch != 0 || got.Notes != nil {
			t.Errorf("%s came back as %+v", name, got)
		}
		if origin, _ := onnx.Metadata(m, metaWeights); origin != "seed:2" {
			t.Errorf("%s: weights %q", name, origin)
		}
		f, err := features(m, got)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := Assemble(b, sd)
		want, _ := features(plain, b)
		f.MetadataProps, want.MetadataProps = nil, nil
		if !proto.Equal(f, want) {
			t.Errorf("%s: other features than the registered network's", name)
		}
	}
}

func TestSaveSafetensors(t *testing.T) {
	b, sd := mustSeed(t, "resnet18", 0)
	path := filepath.Join(t.TempDir(), "resnet18.safetensors")
	foreign := reshaped(sd, func(n string, w weights.Tensor) (string, weights.Tensor) {
		if strings.HasSuffix(n, "num_batches_tracked") {
			n = ""
		} else {
			n = "module." + n
		}
		return n, w
	})
	if err := Save(path, b, foreign); err != nil {
		t.Fatal(err)
	}
	got, _, err := weights.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != sd.Len() {
		t.Errorf("%d tensors, want %d", got.Len(), sd.Len())
	}
	for _, name := range sd.Names() {
		want, _ := sd.Get(name)
		tensor, ok := got.Get(name)
		if !ok || tensor.DType != want.DType || !slices.Equal(tensor.Data, want.Data) ||
			len(tensor.Shape) != len(want.Shape) {
			t.Errorf("%s came back as %v %v", name, tensor.DType, tensor.Shape)
		}
	}
	if err := Save(filepath.Join(t.TempDir(), "resnet18.pth"), b, sd); fail.KindOf(err) != fail.Usage {
		t.Errorf("an unknown ending: %v", err)
	}
	if err := Save(path, b, weights.NewStateDict()); fail.KindOf(err) != fail.Model {
		t.Errorf("no weights: %v", err)
	}
}

// A training graph of another exporter draws random numbers, such as those of stochastic depth.
func TestFromFileThatDrawsRandomNumbers(t *testing.T) {
	b, sd := mustSeed(t, small[0], 0)
	m, _ := Assemble(b, sd)
	first := m.Graph.Node[0]
	noise := &pb.NodeProto{Name: "depth", OpType: "RandomUniformLike", Input: []string{first.Output[0]},
		Output: []string{"uniform"}}
	sum := &pb.NodeProto{OpType: "Add", Input: []string{first.Output[0], "uniform"}, Output: []string{"noisy"}}
	for _, n := range m.Graph.Node[1:] {
		for i, in := range n.Input {
			if in == first.Output[0] {
				n.Input[i] = "noisy"
			}
		}
	}
	m.Graph.Node = slices.Insert(m.Graph.Node, 1, noise, sum)
	got, _, err := FromFile(saved(t, m), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "draws random numbers (RandomUniformLike") {
		t.Errorf("notes %q", notes)
	}
}

// Without metadata, flags and the shape of the graph have to do.
func TestFromFileWithoutMetadata(t *testing.T) {
	for _, name := range small {
		b, sd := mustSeed(t, name, 0)
		m, _ := Assemble(b, sd)
		m.MetadataProps = nil
		path := saved(t, m)
		if _, _, err := FromFile(path, FileOptions{}); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(fail.HintOf(err), "--resize") || strings.Contains(fail.HintOf(err), "--crop") {
			t.Errorf("%s: %v, hint %q", name, err, fail.HintOf(err))
		}
		got, _, err := FromFile(path, FileOptions{Resize: 256})
		if err != nil {
			t.Fatal(err)
		}
		if got.FeatureTensor != b.FeatureTensor || got.Preprocess.Resize != 256 || got.Preprocess.Crop != 224 ||
			got.Name != "network" || len(got.Notes) != 2 {
			t.Errorf("%s: %+v", name, got)
		}
		h := got.Head
		if h.Kind != b.Head.Kind || h.In != b.Head.In || h.Classes != 1000 || h.Weight != b.Head.Weight ||
			h.Bias != b.Head.Bias {
			t.Errorf("%s: head %+v", name, h)
		}
		if got.FeatureShape == nil { // a map of unknown size: ONNX Runtime tells
			if got, err = got.WithFeatureShape(b.FeatureShape); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got.FeatureShape, b.FeatureShape) || got.Head.Positions() != b.Head.Positions() {
			t.Errorf("%s: features %v, head %+v", name, got.FeatureShape, got.Head)
		}
		if _, _, err := FromFile(path, FileOptions{Resize: 256, Crop: 200}); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(fail.HintOf(err), "--crop 224") {
			t.Errorf("%s: another crop: %v", name, err)
		}
		if _, _, err := FromFile(path,
			FileOptions{Resize: 256, FeatureTensor: "ghost"}); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(fail.HintOf(err), logitsName) {
			t.Errorf("%s: an unknown tensor: %v, hint %q", name, err, fail.HintOf(err))
		}
	}
}

func TestFromFileWithAnotherTensor(t *testing.T) {
	b, sd := mustSeed(t, "resnet18", 0)
	path := filepath.Join(t.TempDir(), "resnet18.onnx")
	if err := Save(path, b, sd); err != nil {
		t.Fatal(err)
	}
	got, m, err := FromFile(path, FileOptions{FeatureTensor: "/layer4/layer4.1/relu_1/Relu_output_0"})
	if err != nil {
		t.Fatal(err)
	}
	if got.FeatureShape != nil || got.Head.Kind != "" {
		t.Errorf("a shape that nothing tells: %v, %+v", got.FeatureShape, got.Head)
	}
	f, err := features(m, got)
	if err != nil {
		t.Fatal(err)
	}
	shape := session(t, f).Outputs()[0].Shape
	if !slices.Equal(shape, []int64{-1, 512, 7, 7}) {
		t.Fatalf("ONNX Runtime tells %v", shape)
	}
	got, err = got.WithFeatureShape([]int{512, 7, 7})
	want := Head{Kind: headspec.Conv1x1, In: 512, Spatial: [2]int{7, 7}, Weight: "head.weight", Bias: "head.bias"}
	if err != nil || got.Head != want {
		t.Errorf("head %+v, %v", got.Head, err)
	}
}

// custom is a network as torch exports it: MatMul with a transposed weight,
// softmax at the end.
func custom(input *pb.ValueInfoProto) *pb.ModelProto {
	g := &pb.GraphProto{Name: "custom"}
	b := onnx.NewBuilder(g, "")
	b.Input(input)
	pooled := b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{input.Name})}, onnx.Int("axis", 1))
	b.OpTo("pooled", "Dropout", []string{pooled})
	w := b.Constant(onnx.NewFloat32("w", []int64{5, 3}, make([]float32, 15)))
	product := b.Op("MatMul", []string{"pooled", b.Op("Transpose", []string{w}, onnx.Ints("perm", 1, 0))})
	logits := b.Op("Add", []string{b.Constant(onnx.NewFloat32("b", []int64{5}, make([]float32, 5))), product})
	b.OpTo("y", "Softmax", []string{logits})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, nil, 5)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 17)
	return m
}

func TestFromFileOfAForeignNetwork(t *testing.T) {
	path := saved(t, custom(onnx.TensorInfo("images", pb.TensorProto_FLOAT, 1, 3, "h", "w")))
	if _, _, err := FromFile(path, FileOptions{}); !strings.Contains(fail.HintOf(err), "--resize and --crop") {
		t.Errorf("%v, hint %q", err, fail.HintOf(err))
	}
	b, m, err := FromFile(path, FileOptions{Resize: 8, Crop: 4})
	if err != nil {
		t.Fatal(err)
	}
	want := Head{Kind: headspec.Linear, In: 3, Weight: "w", Bias: "b", Classes: 5}
	if b.Head != want || !slices.Equal(b.FeatureShape, []int{3}) || b.Batch != 1 {
		t.Errorf("%+v", b)
	}
	f, err := features(m, b)
	if err != nil {
		t.Fatal(err)
	}
	pixels := slices.Repeat([]uint8{0, 128, 255}, 16)
	got := run(t, session(t, f), pixels, 1, 4)
	for c, v := range []float64{0, 128, 255} {
		want := (v/255 - float64(b.Preprocess.Mean[c])) / float64(b.Preprocess.Std[c])
		if d := float64(got[c]) - want; d > 1e-5 || d < -1e-5 {
			t.Errorf("channel %d: %g, want %g", c, got[c], want)
		}
	}
}

// Old exporters list every initializer among the inputs.
func TestFromFileOfAnOldNetwork(t *testing.T) {
	m := custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4))
	m.IrVersion = 3
	for _, w := range m.Graph.Initializer {
		m.Graph.Input = append(m.Graph.Input, onnx.TensorInfo(w.Name, pb.TensorProto_FLOAT, w.Dims[0]))
	}
	b, m, err := FromFile(saved(t, m), FileOptions{Resize: 8})
	if err != nil {
		t.Fatal(err)
	}
	f, err := features(m, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Graph.Input) != 1 || b.Head.In != 3 {
		t.Errorf("inputs %v, head %+v", f.Graph.Input, b.Head)
	}
	if got := run(t, session(t, f), make([]uint8, 48), 1, 4); len(got) != 3 {
		t.Errorf("features %v", got)
	}
}

// A classifier that fx exported serves as a backbone again.
func TestFromFileOfAClassifier(t *testing.T) {
	b, f := mustFeatures(t, "squeezenet1_1")
	weight, bias := someHead(b.Head, 1)
	m, err := Classifier(f, b.Head, []string{"a", "b", "c"}, weight, bias, ClassifierOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, again, err := FromFile(saved(t, m), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := b.Head
	want.Classes = 3
	if got.Head != want || got.FeatureTensor != FeaturesName || !reflect.DeepEqual(got.FeatureShape, b.FeatureShape) {
		t.Errorf("%+v", got)
	}
	cut, err := features(again, got)
	if err != nil {
		t.Fatal(err)
	}
	pixels := pattern(224, 224)
	if !slices.Equal(run(t, session(t, cut), pixels, 2, 224), run(t, session(t, f), pixels, 2, 224)) {
		t.Error("other features than before")
	}
	whole, _ := Classifier(f, b.Head, []string{"a", "b", "c"}, weight, bias, ClassifierOptions{WithPreprocessing: true})
	if _, _, err := FromFile(saved(t, whole), FileOptions{}); fail.KindOf(err) != fail.Model {
		t.Errorf("a classifier of whole photos: %v", err)
	}
}

func TestFromFileRefuses(t *testing.T) {
	options := FileOptions{Resize: 8, Crop: 4}
	for name, m := range map[string]*pb.ModelProto{
		"one channel":     custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 1, 4, 4)),
		"three dims":      custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, 3, 4, 4)),
		"double":          custom(onnx.TensorInfo("x", pb.TensorProto_DOUBLE, "n", 3, 4, 4)),
		"not square":      custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 8)),
		"no classifier":   endAt(custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4)), "pooled"),
		"two inputs":      twoInputs(),
		"broken metadata": withMetadata(MetaPreprocess, "{"),
		"unknown mode":    withMetadata(MetaPreprocess, `{"mode":"border"}`),
		"broken head":     withMetadata(MetaHead, "["),
		"wrong size":      custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 5, 5)),
	} {
		path := saved(t, m)
		_, _, err := FromFile(path, options)
		if kind := fail.KindOf(err); kind != fail.Model && kind != fail.Usage ||
			!strings.Contains(err.Error(), path) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v of kind %v, hint %q", name, err, kind, fail.HintOf(err))
		}
	}
}

func endAt(m *pb.ModelProto, tensor string) *pb.ModelProto {
	m.Graph.Output = []*pb.ValueInfoProto{onnx.TensorInfo(tensor, pb.TensorProto_FLOAT, "n", 3)}
	onnx.Prune(m.Graph)
	return m
}

func twoInputs() *pb.ModelProto {
	m := custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4))
	m.Graph.Input = append(m.Graph.Input, onnx.TensorInfo("z", pb.TensorProto_FLOAT, 1))
	m.Graph.Node[len(m.Graph.Node)-2].Input[0] = "z" // where the bias was
	return m
}

func withMetadata(key, value string) *pb.ModelProto {
	m := custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4))
	onnx.SetMetadata(m, key, value)
	return m
}
