package backbones

import (
	"bytes"
	"path/filepath"
	"testing"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/progress"
	"fx/internal/weights"
)

// The head of vit_ti_16's authors takes the class token, which is as wide as the mean of the patches. Only a head that
// fx trained on the same pooling is kept.
func TestAHeadOfAnotherPoolingIsLeftOut(t *testing.T) {
	state := weights.NewStateDict()
	state.Set("head.weight", weights.FromFloat32([]int{1000, 192}, make([]float32, 1000*192)))
	state.Set("head.bias", weights.FromFloat32([]int{1000}, make([]float32, 1000)))
	given := map[string]string{"head.weight": "head.weight", "head.bias": "head.bias"}
	for _, c := range []struct {
		backbone, made string // made is the network that the weights say
		want           bool
	}{
		{"vit_ti_16", "", true},
		{"vit_ti_16", "vit_ti_16", true},
		{"vit_ti_16", "vit_ti_16@mean", false},
		{"vit_ti_16@mean", "", false},
		{"vit_ti_16@mean", "vit_ti_16", false},
		{"vit_ti_16@mean", "vit_ti_16@mean", true},
		{"vit_ti_16@cls+mean", "vit_ti_16@cls+mean", false}, // of another width
	} {
		b, err := Lookup(c.backbone)
		if err != nil {
			t.Fatal(err)
		}
		state.Metadata[MetaBackbone] = c.made
		if got := b.hasHead(state, given); got != c.want {
			t.Errorf("%s with weights of %q has a head: %v", c.backbone, c.made, got)
		}
	}
}

func TestSavedHeadsAreOfTheSamePooling(t *testing.T) {
	b, err := Lookup("vit_ti_16")
	if err != nil {
		t.Fatal(err)
	}
	state, err := SeedWeights(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	mean, err := b.WithPool(PoolMean)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := canonicalWeights(mean, state)
	if err != nil {
		t.Fatal(err)
	}
	if head, found := saved.Get("head.weight"); found {
		t.Errorf("the head %v, trained on the class token, is saved with %s", head.Shape, mean.Name)
	}
}

func TestAGraphInPlaceOfWeightsHasItsPooling(t *testing.T) {
	for made, want := range map[string]map[string]bool{ // by the name that is opened
		"vit_ti_16":      {"vit_ti_16": true, "vit_ti_16@mean": false, "vit_ti_16@cls+mean": false},
		"vit_ti_16@mean": {"vit_ti_16": false, "vit_ti_16@mean": true},
	} {
		b, err := Lookup(made)
		if err != nil {
			t.Fatal(err)
		}
		state, err := SeedWeights(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		t.Setenv("FX_WEIGHTS_DIR", dir)
		if err := Save(filepath.Join(dir, "vit_ti_16.onnx"), b, state); err != nil {
			t.Fatal(err)
		}
		for name, fits := range want {
			n, err := Open(t.Context(), NetworkOptions{Backbone: name}, progress.Discard)
			switch {
			case fits && (err != nil || n.Backbone.Name != name):
				t.Errorf("%s from the graph of %s: %v", name, made, err)
			case !fits && fail.KindOf(err) != fail.Usage:
				t.Errorf("%s from the graph of %s opens as %v, %v", name, made, n, err)
			}
		}
	}
}

// torchvision's files for Swin hold tables of indices that the skeleton has itself.
func TestBuffersOfAFileAreLeftOut(t *testing.T) {
	b, sd := mustSeed(t, "swin_t", 0)
	sd.Set("features.1.0.attn.relative_position_index",
		weights.Tensor{DType: weights.I64, Shape: []int{2401}, Data: make([]byte, 8*2401)})
	m, err := Assemble(b, sd)
	if err != nil {
		t.Fatal(err)
	}
	table := onnx.NewIndex(m.Graph).Initializer("features.1.0.attn.relative_position_index")
	if table == nil || len(table.RawData) != 8*2401 || bytes.Equal(table.RawData, make([]byte, 8*2401)) {
		t.Error("the skeleton's table of indices was replaced")
	}
}
