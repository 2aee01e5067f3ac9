package backbones

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/weights"
)

// positionTable is make_positions.py's table: [1, prefix + side * side, 3].
func positionTable(prefix, side int) weights.Tensor {
	rows := prefix + side*side
	values := make([]float32, 3*rows)
	for i := range values {
		values[i] = float32(math.Sin(0.37*float64(i)*float64(i)) + 0.01*float64(i))
	}
	return weights.FromFloat32([]int{1, rows, 3}, values)
}

// A table for photos of another size is what torch makes of it, in the way of each network's authors.
func TestPositionsAreTorchs(t *testing.T) {
	data, err := os.ReadFile("testdata/positions.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string][]float64
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for name, want := range cases {
		var how string
		var prefix, old, side int
		if _, err := fmt.Sscanf(name, "%s %d %d %d", &how, &prefix, &old, &side); err != nil {
			t.Fatal(err)
		}
		b := Backbone{row: &row{Tokens: &tokens{Patch: 2, Positions: &positions{Prefix: prefix}}}}
		b.Preprocess.Crop = 2 * side
		if how == "dinov2" {
			b.row.Tokens.Positions.Resample = dinov2
		}
		fitted, err := b.fitPositions(positionTable(prefix, old))
		if err != nil {
			t.Fatal(err)
		}
		got, err := fitted.Float32s()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d values, torch has %d; %v", name, len(got), len(want), err)
		}
		for i, v := range got {
			if math.Abs(float64(v)-want[i]) > 1e-5+2e-6*math.Abs(want[i]) { // torch computes in float32
				t.Errorf("%s: value %d is %v, torch's %v", name, i, v, want[i])
				break
			}
		}
	}
}

func TestPoolsOfARow(t *testing.T) {
	for name, want := range map[string]string{
		"dinov2_vits14":          "[cls+mean cls mean] [768] fx/pooled head.weight",
		"dinov2_vits14@mean":     "[cls+mean cls mean] [384] fx/pooled head.weight",
		"dinov2_vits14@cls":      "[cls+mean cls mean] [384] pooled head.weight",
		"vit_b_16":               "[cls mean cls+mean] [768] /Gather_4_output_0 heads.head.weight",
		"vit_b_16@cls+mean":      "[cls mean cls+mean] [1536] fx/pooled head.weight",
		"vit_b_16@augreg2@mean":  "[cls mean cls+mean] [768] fx/pooled head.weight",
		"siglip_b_16":            "[map mean] [768] pooled head.weight",
		"resnet50":               "[] [2048] /Flatten_output_0 fc.weight",
		"dinov3_convnext_tiny":   "[] [768] pooled head.weight",
		"timm/resnet50.a1_in1k":  "[] [2048] /Flatten_output_0 fc.weight",
		"resnet50@IMAGENET1K_V2": "[] [2048] /Flatten_output_0 fc.weight",
		"vit_base_patch16_224":   "[cls mean cls+mean] [768] /Gather_4_output_0 heads.head.weight",
		"dinov2_vitb14@cls+mean": "[cls+mean cls mean] [1536] fx/pooled head.weight",
	} {
		b, err := Lookup(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprintf("%v %v %s %s", b.Pools, b.FeatureShape, b.FeatureTensor, b.Head.Weight); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, hint := range map[string]string{
		"resnet50@v3": "It has v1, v2, a1.", "resnet50@mean": "It has v1, v2, a1.",
		"vit_b_16@map":          "It has v1, augreg2, cls, mean, cls+mean.",
		"efficientnet_lite0@v1": "Omit @v1.",
	} {
		if _, err := Lookup(name); fail.KindOf(err) != fail.Usage || fail.HintOf(err) != hint {
			t.Errorf("%s: %v, hint %q", name, err, fail.HintOf(err))
		}
	}
}

func TestPoolAndCropThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		options NetworkOptions
		hint    string
	}{
		"no transformer": {NetworkOptions{Backbone: "resnet18", Pool: "mean"}, "Omit --pool."},
		"unknown pooling": {NetworkOptions{Backbone: "vit_ti_16", Pool: "max"},
			"Give one of cls, mean, cls+mean."},
		"a pooling of others": {NetworkOptions{Backbone: "vit_ti_16", Pool: "map"},
			"Give one of cls, mean, cls+mean."},
		"no multiple":           {NetworkOptions{Backbone: "dinov2_vits14", Crop: 200}, "such as --crop 196."},
		"less than one patch":   {NetworkOptions{Backbone: "dinov2_vits14", Crop: 13}, "such as --crop 14."},
		"windows":               {NetworkOptions{Backbone: "swin_t", Crop: 256}, "Omit --crop."},
		"rotary embeddings":     {NetworkOptions{Backbone: "dinov3_vits16", Crop: 320}, "Omit --crop."},
		"an ONNX file's tokens": {NetworkOptions{Backbone: "x.onnx", Pool: "mean"}, "--feature-tensor"},
	} {
		c.options.Weights = weights.Seed(0)
		_, err := Open(t.Context(), c.options, progress.Discard)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q, want %q", name, err, fail.HintOf(err), c.hint)
		}
	}
}
