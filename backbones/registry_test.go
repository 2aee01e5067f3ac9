package backbones

import (
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
)

func TestRegistryIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, network := range All() {
		for _, b := range Variants(network) {
			if seen[b.Name] {
				t.Errorf("%s is registered twice", b.Name)
			}
			seen[b.Name] = true
			if err := b.Preprocess.Check(); err != nil {
				t.Errorf("%s: %v", b.Name, err)
			}
			if b.Title == "" || b.Licence == "" || b.Family == "" || !strings.HasPrefix(b.Paper, "https://") {
				t.Errorf("%s: no title, licence, family or paper", b.Name)
			}
			values := 1
			for _, d := range b.FeatureShape {
				values *= d
			}
			if values != b.Head.In*b.Head.Positions() {
				t.Errorf("%s: features %v, head %+v", b.Name, b.FeatureShape, b.Head)
			}
			checkOfficial(t, b)
		}
	}
}

// checkOfficial checks that the weights can be had, and that their hash is known as far as their name says it.
func checkOfficial(t *testing.T, b Backbone) {
	t.Helper()
	w := b.Weights
	if b.Gated != "" {
		if w.Hub != "" || w.URL != "" {
			t.Errorf("%s: its licence must be accepted first, but it would be fetched", b.Name)
		}
		return
	}
	if w.Hub != "" {
		if !strings.HasPrefix(w.Hub, "timm/") || w.File != "" {
			t.Errorf("%s: %+v", b.Name, w)
		}
		return
	}
	if !strings.HasSuffix(w.File, "-"+w.SHA256Prefix+".pth") || len(w.SHA256Prefix) < 8 {
		t.Errorf("%s: file %q does not carry the hash %q", b.Name, w.File, w.SHA256Prefix)
	}
	if w.SHA256 != "" && (len(w.SHA256) != 64 || !strings.HasPrefix(w.SHA256, w.SHA256Prefix)) {
		t.Errorf("%s: SHA-256 %q does not begin as its name says", b.Name, w.SHA256)
	}
	if !strings.HasSuffix(w.URL, "/"+w.File) && (w.URL != "" || w.Package == "" ||
		!strings.HasSuffix(w.PackageFile, "/"+w.File)) {
		t.Errorf("%s: nowhere to get %q from", b.Name, w.File)
	}
}

// The table's feature tensor, head and input are what the graph has.
func TestRegistryFitsTheGraphs(t *testing.T) {
	for _, b := range All() {
		m, err := Skeleton(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, dims, _ := onnx.Shape(m.Graph.Input[0]); !slices.Equal(dims,
			[]int64{-1, 3, int64(b.Preprocess.Crop), int64(b.Preprocess.Crop)}) {
			t.Errorf("%s: input %v", b.Name, dims)
		}
		if err := ToInference(m.Graph); err != nil {
			t.Fatal(err)
		}
		found := findClassifier(m.Graph, onnx.NewIndex(m.Graph))
		if found.features != b.FeatureTensor || found.head.Weight != b.Head.Weight || found.head.In != b.Head.In ||
			b.Head.Bias != "" && found.head.Bias != b.Head.Bias ||
			b.Head.Classes > 0 && found.head.Classes != b.Head.Classes {
			t.Errorf("%s: %+v, the graph has %+v", b.Name, b.Head, found)
			continue
		}
		// Between the cached tensor and the classifier, or right before the cached one.
		m, _ = Skeleton(b)
		ix, dropout := onnx.NewIndex(m.Graph), 0.0
		user := ix.Consumers(b.Head.Weight)[0]
		if user.OpType == "Transpose" {
			user = ix.Consumers(user.Output[0])[0]
		}
		for value := user.Input[0]; ; {
			n := ix.Producer(value)
			if n.OpType == "Dropout" {
				ratio, err := onnx.Float32s(ix.Constant(n.Input[1]))
				if err != nil {
					t.Fatal(err)
				}
				dropout = float64(ratio[0])
			}
			if n.OpType != "Dropout" && n.OpType != "Flatten" {
				break
			}
			value = n.Input[0]
		}
		if float32(dropout) != float32(b.Head.Dropout) {
			t.Errorf("%s: dropout %g before the head, the table says %g", b.Name, dropout, b.Head.Dropout)
		}
		w := ix.Initializer(b.Head.Weight)
		if b.Head.Classes > 0 && w.Dims[0] != int64(b.Head.Classes) || w.Dims[1] != int64(b.Head.In) ||
			(b.Head.Kind == headspec.Conv1x1) != (len(w.Dims) == 4) {
			t.Errorf("%s: head %+v, weight of dimensions %v", b.Name, b.Head, w.Dims)
		}
		if a := b.Auxiliary; (a != nil) != (len(m.Graph.Output) == 2) || a != nil &&
			(ix.Initializer(a.Weight) == nil || ix.Initializer(a.Weight).Dims[1] != int64(a.In)) {
			t.Errorf("%s: auxiliary head %+v", b.Name, a)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, b := range All() {
		got, err := Lookup(b.Name)
		if err != nil || got.Name != b.Name {
			t.Errorf("Lookup(%q) = %q, %v", b.Name, got.Name, err)
		}
	}
	for name, want := range map[string]string{
		"resnet19":     "Did you mean resnet18",
		"ResNet-18":    "Did you mean resnet18",
		"resnet":       "Did you mean resnet18",
		"squeezenet":   "Did you mean squeezenet1_0 or squeezenet1_1?",
		"sqeezenet1_1": "Did you mean squeezenet1_1 or squeezenet1_0?",
		"inception":    "Did you mean inception_v3?",
		"vgg11":        "Did you mean vgg11_bn",
		"denset121":    "Did you mean densenet121",
		"":             "`fx backbones list`",
		"gpt-2":        "`fx backbones list`",
	} {
		_, err := Lookup(name)
		if fail.KindOf(err) != fail.Usage || !strings.HasPrefix(fail.HintOf(err), want) {
			t.Errorf("Lookup(%q): %v of kind %v, hint %q; want %q", name, err, fail.KindOf(err), fail.HintOf(err), want)
		}
	}
}

func TestLookupGivesCopies(t *testing.T) {
	b, _ := Lookup("inception_v3")
	b.FeatureShape[0], b.Auxiliary.In = 1, 1
	if again, _ := Lookup("inception_v3"); again.FeatureShape[0] != 2048 || again.Auxiliary.In != 768 {
		t.Error("a caller changed the registry")
	}
}
