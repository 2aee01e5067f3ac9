package backbones

import (
	"fmt"
	"slices"
	"testing"

	"fx/internal/imaging"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/preprocess"
	"fx/internal/random"
)

// noise is a photo in which every difference of the arithmetic shows.
func noise(width, height int) *imaging.Image {
	s := random.New(7, fmt.Sprintf("noise %d×%d", width, height))
	im := &imaging.Image{W: width, H: height, Pix: make([]uint8, 3*width*height)}
	for i := range im.Pix {
		im.Pix[i] = uint8(s.IntN(256))
	}
	return im
}

func centerView(t *testing.T, im *imaging.Image, spec preprocess.Spec) []uint8 {
	t.Helper()
	pixels := make([]uint8, 3*spec.Crop*spec.Crop)
	if err := im.CenterView(spec, pixels); err != nil {
		t.Fatal(err)
	}
	return pixels
}

func photoTensor(im *imaging.Image) ort.Tensor {
	return ort.NewTensor(im.Pix, int64(im.H), int64(im.W), 3)
}

// An exported model sees the pixels that fx itself computes, whichever order
// the photo's shape gives to the two passes of the resize.
func TestPixelsAreImagings(t *testing.T) {
	sizes := [][2]int{ // width, height
		{500, 375}, {375, 500}, {640, 640}, // ordinary
		{300, 1200}, {600, 2000}, {1200, 300}, {2000, 90}, {90, 2000}, // tall and wide
		{1, 1}, {7, 5}, {37, 91}, {1, 40}, {40, 1}, {100, 2000}, {2, 3000}, // small, also in one side only
		{256, 256}, {224, 224}, {224, 900}, {900, 224}, {256, 257}, {257, 256}, // sides that stay as they are
	}
	for more := range 4 { // where the rule changes its mind: close to 2:1
		sizes = append(sizes, [2]int{400, 798 + more}, [2]int{318 + more, 640})
	}
	for name, spec := range fitSpecs() {
		m := fitModel(spec)
		if err := onnx.Check(m.Graph); err != nil {
			t.Fatal(err)
		}
		s := session(t, m)
		for _, size := range sizes {
			im := noise(size[0], size[1])
			outputs := make([]ort.Tensor, 1)
			if err := s.Run(t.Context(), []ort.Tensor{photoTensor(im)}, outputs); err != nil {
				t.Fatal(err)
			}
			got, want := ort.Data[uint8](outputs[0]), centerView(t, im, spec)
			differing, largest := 0, 0
			for i := range want {
				if d := int(got[i]) - int(want[i]); d != 0 {
					differing, largest = differing+1, max(largest, d, -d)
				}
			}
			if differing > 0 {
				t.Errorf("%s: a photo of %d×%d: %d values of %d differ, by %d at most", name, size[0], size[1],
					differing, len(want), largest)
			}
		}
	}
}

// A classifier with preprocessing gives the logits of one without that is
// given fx's own pixels, bit for bit.
func TestPreprocessingKeepsLogits(t *testing.T) {
	b, f := mustFeatures(t, "resnet18")
	classes := []string{"ants", "bees", "wasps"}
	weight, bias := someHead(b.Head, 0.01)
	open := func(o ClassifierOptions) *ort.Session {
		m, err := Classifier(f, b.Head, classes, weight, bias, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Check(m.Graph); err != nil {
			t.Fatal(err)
		}
		return session(t, m)
	}
	logits := func(s *ort.Session, photo ort.Tensor) []float32 {
		outputs := make([]ort.Tensor, 2)
		if err := s.Run(t.Context(), []ort.Tensor{photo}, outputs); err != nil {
			t.Fatal(err)
		}
		return ort.Data[float32](outputs[0])
	}
	bare, whole := open(ClassifierOptions{}), open(ClassifierOptions{WithPreprocessing: true})
	side := int64(b.Preprocess.Crop)
	for _, size := range [][2]int{{500, 375}, {300, 1200}, {1200, 300}, {37, 91}, {20, 80}} {
		im := noise(size[0], size[1])
		want := logits(bare, ort.NewTensor(centerView(t, im, b.Preprocess), 1, side, side, 3))
		if got := logits(whole, photoTensor(im)); !slices.Equal(got, want) {
			t.Errorf("a photo of %d×%d: logits %v, want %v", size[0], size[1], got, want)
		}
	}
}
