package backbones

import (
	"fmt"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// The sizes are the smallest that torchvision's networks take in evaluation mode.
func TestSmallestCrop(t *testing.T) {
	for name, smallest := range map[string]int{
		"resnet18": 1, "alexnet": 63, "vgg11_bn": 32, "squeezenet1_0": 21, "squeezenet1_1": 17,
		"densenet121": 29, "inception_v3": 75, "efficientnet_lite0": 32,
	} {
		b, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Skeleton(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Cut(m.Graph, onnx.TensorInfo(b.FeatureTensor, pb.TensorProto_FLOAT)); err != nil {
			t.Fatal(err)
		}
		if err := CheckMaps(m.Graph, name, smallest); err != nil {
			t.Errorf("%s at %d: %v", name, smallest, err)
		}
		err = CheckMaps(m.Graph, name, smallest-1)
		want := fmt.Sprintf("--crop %d or more", smallest)
		if smallest > 1 && (fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), want)) {
			t.Errorf("%s at %d: %v; hint %q, and not %q", name, smallest-1, err, fail.HintOf(err), want)
		}
	}
}

// A network keeps its own head on whatever map it makes, one position too.
func TestHeadKeepsItsKind(t *testing.T) {
	for _, name := range []string{"squeezenet1_0", "squeezenet1_1"} {
		b, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		want := b.Head
		want.Spatial = [2]int{1, 1}
		if b, err = b.WithFeatureShape([]int{512, 1, 1}); err != nil || b.Head != want {
			t.Errorf("%s: %+v, %v; want %+v", name, b.Head, err, want)
		}
	}
}
