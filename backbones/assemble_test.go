package backbones

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

func TestAssembleEvaluates(t *testing.T) {
	for _, name := range append([]string{"inception_v3"}, small...) {
		b, sd := mustSeed(t, name, 0)
		skeleton, _ := Skeleton(b)
		m, err := Assemble(b, sd)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := Skeleton(b); !proto.Equal(skeleton, again) {
			t.Fatalf("%s: assembling changed the skeleton", name)
		}
		data, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := onnx.Parse(data, name); err != nil {
			t.Errorf("%s: the model does not pass its own vetting: %v", name, err)
		}
		for _, n := range m.Graph.Node {
			if n.OpType == "Dropout" || n.OpType == "BatchNormalization" &&
				(len(n.Output) > 1 || onnx.IntAttribute(n, "training_mode", 0) != 0) {
				t.Errorf("%s: node %s trains", name, n.Name)
			}
		}
		ix := onnx.NewIndex(m.Graph)
		parameters, _ := Parameters(b)
		for _, p := range parameters {
			if (ix.Initializer(p.Name) == nil) != p.Auxiliary {
				t.Errorf("%s: parameter %s is present: %v", name, p.Name, p.Auxiliary)
			}
			if strings.HasPrefix(p.Name, "AuxLogits.") != p.Auxiliary {
				t.Errorf("%s: parameter %s is auxiliary: %v", name, p.Name, p.Auxiliary)
			}
			if strings.Contains(p.Name, ".running_") == p.Kind.Trained() {
				t.Errorf("%s: parameter %s of kind %s is trained: %v", name, p.Name, p.Kind, p.Kind.Trained())
			}
		}
		if len(m.Graph.Output) != 1 || ix.Output(logitsName) == nil || ix.Input(inputName) == nil {
			t.Errorf("%s: from %v to %v", name, m.Graph.Input, m.Graph.Output)
		}
	}
}

// reshaped returns sd with every name and tensor put through f; "" drops it.
func reshaped(sd *weights.StateDict, f func(name string, t weights.Tensor) (string,
	weights.Tensor)) *weights.StateDict {
	out := weights.NewStateDict()
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		if name, t = f(name, t); name != "" {
			out.Set(name, t)
		}
	}
	return out
}

func TestAssembleTakesForeignHabits(t *testing.T) {
	oldName := regexp.MustCompile(`(denselayer\d+\.(?:norm|conv))([12])\.`)
	for name, c := range map[string]struct {
		network string
		change  func(string, weights.Tensor) (string, weights.Tensor)
	}{
		"DataParallel": {"squeezenet1_1", func(n string, w weights.Tensor) (string, weights.Tensor) {
			return "module." + n, w
		}},
		"no counters": {"resnet18", func(n string, w weights.Tensor) (string, weights.Tensor) {
			if strings.HasSuffix(n, "num_batches_tracked") {
				n = ""
			}
			return n, w
		}},
		"old DenseNet names": {"densenet121", func(n string, w weights.Tensor) (string, weights.Tensor) {
			return oldName.ReplaceAllString(n, "$1.$2."), w
		}},
		"no auxiliary classifier": {"inception_v3", func(n string, w weights.Tensor) (string, weights.Tensor) {
			if strings.HasPrefix(n, "AuxLogits.") {
				n = ""
			}
			return n, w
		}},
		"two classes": {"resnet18", func(n string, w weights.Tensor) (string, weights.Tensor) {
			if n == "fc.weight" {
				return n, weights.FromFloat32([]int{2, 512}, make([]float32, 1024))
			}
			if n == "fc.bias" {
				return n, weights.FromFloat32([]int{2}, make([]float32, 2))
			}
			return n, w
		}},
	} {
		b, sd := mustSeed(t, c.network, 1)
		changed := reshaped(sd, c.change)
		if slices.Equal(changed.Names(), sd.Names()) && name != "two classes" {
			t.Errorf("%s: the test changes nothing", name)
		}
		m, err := Assemble(b, changed)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, err := features(m, b)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := Assemble(b, sd)
		want, _ := features(plain, b)
		f.MetadataProps, want.MetadataProps = nil, nil
		if !proto.Equal(f, want) {
			t.Errorf("%s: other features than with the plain names", name)
		}
	}
}

func TestAssembleWidensHalves(t *testing.T) {
	b, sd := mustSeed(t, "squeezenet1_1", 0)
	half := reshaped(sd, func(n string, w weights.Tensor) (string, weights.Tensor) {
		bf16 := weights.Tensor{DType: weights.BF16, Shape: w.Shape}
		for i := 0; i < len(w.Data); i += 4 { // the upper half of a float32
			bf16.Data = append(bf16.Data, w.Data[i+2], w.Data[i+3])
		}
		return n, bf16
	})
	m, err := Assemble(b, half)
	if err != nil {
		t.Fatal(err)
	}
	original, _ := sd.Get("features.0.weight")
	got := onnx.NewIndex(m.Graph).Initializer("features.0.weight").RawData
	for i := 0; i < len(got); i += 4 {
		if binary.LittleEndian.Uint32(got[i:]) != binary.LittleEndian.Uint32(original.Data[i:])&^0xffff {
			t.Fatal("bfloat16 was not widened exactly")
		}
	}
}

func TestAssembleNamesWhatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(string, weights.Tensor) (string, weights.Tensor)
		words  []string
	}{
		"missing": {func(n string, w weights.Tensor) (string, weights.Tensor) {
			if n == "layer1.0.conv1.weight" {
				n = ""
			}
			return n, w
		}, []string{"1 missing (layer1.0.conv1.weight)"}},
		"renamed": {func(n string, w weights.Tensor) (string, weights.Tensor) {
			return strings.Replace(n, "layer4", "stage4", 1), w
		}, []string{"missing (layer4.0.conv1.weight", "not of this network (stage4", "more)"}},
		"misshaped": {func(n string, w weights.Tensor) (string, weights.Tensor) {
			if n == "conv1.weight" {
				w = weights.FromFloat32([]int{64, 3, 3, 3}, make([]float32, 64*27))
			}
			return n, w
		}, []string{"1 of another shape (conv1.weight is [64 3 3 3] instead of [64 3 7 7])"}},
		"other features into the head": {func(n string, w weights.Tensor) (string, weights.Tensor) {
			if n == "fc.weight" {
				w = weights.FromFloat32([]int{2, 2048}, make([]float32, 4096))
			}
			return n, w
		}, []string{"fc.weight is [2 2048]"}},
	} {
		b, sd := mustSeed(t, "resnet18", 0)
		_, err := Assemble(b, reshaped(sd, c.change))
		if fail.KindOf(err) != fail.Model || !strings.Contains(fail.HintOf(err), "fx backbones show resnet18") {
			t.Errorf("%s: %v of kind %v, hint %q", name, err, fail.KindOf(err), fail.HintOf(err))
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", name, err, word)
			}
		}
	}
	b, _ := Lookup("resnet18")
	_, other := mustSeed(t, "squeezenet1_0", 0)
	if _, err := Assemble(b, other); fail.KindOf(err) != fail.Model {
		t.Errorf("another network's weights: %v", err)
	}
	if _, err := Assemble(b, weights.NewStateDict()); fail.KindOf(err) != fail.Model {
		t.Errorf("no weights: %v", err)
	}
}

func TestFeaturesModel(t *testing.T) {
	hashes := map[string]string{}
	for _, name := range append([]string{"inception_v3"}, small...) {
		b, sd := mustSeed(t, name, 0)
		m, err := Assemble(b, sd)
		if err != nil {
			t.Fatal(err)
		}
		before := proto.CloneOf(m)
		f, err := features(m, b)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(m, before) {
			t.Errorf("%s: cutting changed the model", name)
		}
		if err := onnx.Check(f.Graph); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		dtype, dims, _ := onnx.Shape(f.Graph.Input[0])
		size := int64(b.Preprocess.Crop)
		if f.Graph.Input[0].Name != ImagesName || dtype != pb.TensorProto_UINT8 ||
			!slices.Equal(dims, []int64{-1, size, size, 3}) {
			t.Errorf("%s: input %v", name, f.Graph.Input)
		}
		if onnx.NewIndex(f.Graph).Has(b.Head.Weight) {
			t.Errorf("%s: the head is still there", name)
		}
		hash, err := GraphSHA256(f)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := hashes[hash]; ok {
			t.Errorf("%s and %s are one graph", name, other)
		}
		hashes[hash] = name
	}
	b, sd := mustSeed(t, "resnet18", 1)
	m, _ := Assemble(b, sd)
	f, _ := features(m, b)
	if hash, _ := GraphSHA256(f); hashes[hash] != "resnet18" {
		t.Error("other weights change the graph's hash")
	}
	b.Preprocess.Std[0] *= 2
	f, _ = features(m, b)
	if hash, _ := GraphSHA256(f); hashes[hash] != "" {
		t.Error("another normalisation is the same graph")
	}
	b.FeatureTensor = "ghost"
	if _, err := features(m, b); fail.KindOf(err) != fail.Model ||
		!strings.Contains(fail.HintOf(err), "--feature-tensor") {
		t.Errorf("an unknown tensor: %v", err)
	}
	b.FeatureTensor = inputName
	if _, err := features(m, b); fail.KindOf(err) != fail.Model {
		t.Errorf("the input as features: %v", err)
	}
	b.FeatureTensor = "fc.weight"
	if _, err := features(m, b); fail.KindOf(err) != fail.Model {
		t.Errorf("a parameter as features: %v", err)
	}
}
