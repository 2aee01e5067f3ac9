package backbones

import (
	"math"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/random"
)

func mustFeatures(t *testing.T, name string) (Backbone, *pb.ModelProto) {
	t.Helper()
	b, sd := mustSeed(t, name, 0)
	m, err := Assemble(b, sd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := features(m, b)
	if err != nil {
		t.Fatal(err)
	}
	return b, f
}

// someHead draws a head for three classes whose logits differ visibly.
func someHead(h Head, features float64) (weight, bias []float32) {
	s := random.New(5, "a head")
	for range 3 * h.In {
		weight = append(weight, float32(s.Uniform(-1, 1)/features))
	}
	return weight, []float32{0.1, 0.2, 0.3}
}

// The logits of the grafted head are what plain loops make of the features.
func TestClassifier(t *testing.T) {
	classes := []string{"ants", "bees", "wasps, and \"others\""}
	for _, name := range []string{"resnet18", "squeezenet1_1"} {
		b, f := mustFeatures(t, name)
		pixels := pattern(224, 224)
		features := run(t, session(t, f), pixels, 2, 224)
		var scale float64
		for _, v := range features {
			scale = max(scale, math.Abs(float64(v)))
		}
		weight, bias := someHead(b.Head, scale)
		m, err := Classifier(f, b.Head, classes, weight, bias,
			ClassifierOptions{Metadata: map[string]string{"fx.provenance": "a test"}})
		if err != nil {
			t.Fatal(err)
		}
		if onnx.NewIndex(f.Graph).Has(logitsName) {
			t.Error("the feature model was changed")
		}
		s := session(t, m)
		if s.Metadata()[metaClasses] != `["ants","bees","wasps, and \"others\""]` ||
			s.Metadata()["fx.provenance"] != "a test" {
			t.Errorf("metadata %v", s.Metadata())
		}
		outputs := make([]ort.Tensor, 2)
		if err := s.Run(t.Context(), []ort.Tensor{ort.NewTensor(pixels, 2, 224, 224, 3)}, outputs); err != nil {
			t.Fatal(err)
		}
		logits, probabilities := ort.Data[float32](outputs[0]), ort.Data[float32](outputs[1])
		for n := range 2 {
			want := plainLogits(b.Head, features[n*len(features)/2:(n+1)*len(features)/2], weight, bias)
			var total float64
			for _, v := range want {
				total += math.Exp(v)
			}
			for k, v := range want {
				if got := float64(logits[3*n+k]); math.Abs(got-v) > 1e-4 {
					t.Errorf("%s: logit %d of image %d is %g, want %g", name, k, n, got, v)
				}
				if got := float64(probabilities[3*n+k]); math.Abs(got-math.Exp(v)/total) > 1e-4 {
					t.Errorf("%s: probability %d of image %d is %g, want %g", name, k, n, got, math.Exp(v)/total)
				}
			}
		}
		// With preprocessing, a photo of the network's own size is taken as it is.
		whole, err := Classifier(f, b.Head, classes, weight, bias, ClassifierOptions{WithPreprocessing: true})
		if err != nil {
			t.Fatal(err)
		}
		alone := make([]ort.Tensor, 2)
		if err := session(t, whole).Run(t.Context(), []ort.Tensor{ort.NewTensor(pixels[:224*224*3], 224, 224, 3)},
			alone); err != nil {
			t.Fatal(err)
		}
		for k, v := range ort.Data[float32](alone[0]) {
			if math.Abs(float64(v-logits[k])) > 1e-5 {
				t.Errorf("%s: logit %d with preprocessing is %g, without %g", name, k, v, logits[k])
			}
		}
	}
}

// plainLogits is a head by the book, in float64.
func plainLogits(h Head, features, weight, bias []float32) []float64 {
	positions := h.Positions()
	logits := make([]float64, len(bias))
	for k := range logits {
		for p := range positions {
			sum := float64(bias[k])
			for i := range h.In {
				sum += float64(weight[k*h.In+i]) * float64(features[i*positions+p])
			}
			if h.Kind == headspec.Conv1x1 {
				sum = max(sum, 0)
			}
			logits[k] += sum / float64(positions)
		}
	}
	return logits
}

func TestClassifierRefuses(t *testing.T) {
	b, f := mustFeatures(t, "squeezenet1_1")
	weight, bias := someHead(b.Head, 1)
	two := []string{"ants", "bees"}
	for name, try := range map[string]func() error{
		"another number of classes": func() error {
			_, err := Classifier(f, b.Head, two, weight, bias, ClassifierOptions{})
			return err
		},
		"no classes": func() error {
			_, err := Classifier(f, b.Head, nil, nil, nil, ClassifierOptions{})
			return err
		},
		"a model that says nothing of its photos": func() error {
			bare := onnx.Clone(f)
			onnx.DeleteMetadata(bare, MetaPreprocess)
			_, err := Classifier(bare, b.Head, two, weight[:2*512], bias[:2], ClassifierOptions{})
			return err
		},
		"an old operator set": func() error {
			old := onnx.Clone(f)
			onnx.SetOpset(old, "", 12)
			_, err := Classifier(old, b.Head, two, weight[:2*512], bias[:2], ClassifierOptions{WithPreprocessing: true})
			return err
		},
		"a head of no kind": func() error {
			h := b.Head
			h.Kind = "tree"
			_, err := Classifier(f, h, two, weight[:2*512], bias[:2], ClassifierOptions{})
			return err
		},
	} {
		if err := try(); fail.KindOf(err) != fail.Model || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v of kind %v", name, err, fail.KindOf(err))
		}
	}
}
