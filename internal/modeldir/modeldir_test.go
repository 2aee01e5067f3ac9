package modeldir_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/checksum"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/preprocess"
	"fx/internal/weights"
)

func example(kind headspec.Kind) (modeldir.Model, headspec.Params) {
	m := modeldir.Model{
		Backbone:   modeldir.Backbone{Name: "resnet18", Weights: weights.Seed(0)},
		Preprocess: preprocess.ImageNet(224, 224),
		Head: modeldir.Head{Layout: headspec.Layout{Kind: kind, Features: 3, Positions: 1, Classes: 2},
			WeightName: "fc.weight", BiasName: "fc.bias", FeatureShape: []int{3}},
		Classes: []string{"ants", "bees"},
		Metrics: modeldir.Metrics{BestValAccuracy: 0.9, Epochs: []metrics.Epoch{{Epoch: 1, ValAccuracy: 0.9}}},
	}
	return m, headspec.Params{Weight: []float32{1, 2, 3, 4, 5, 6}, Bias: []float32{7, 8}}
}

func TestRoundTrip(t *testing.T) {
	for kind, shape := range map[headspec.Kind][]int{"linear": {2, 3}, "conv1x1": {2, 3, 1, 1}} {
		dir := filepath.Join(t.TempDir(), "model")
		m, p := example(kind)
		if err := modeldir.Save(dir, m, p); err != nil {
			t.Fatal(err)
		}
		if err := modeldir.Save(dir, m, p); err != nil {
			t.Fatalf("over an earlier model: %v", err)
		}
		gotModel, gotParams, err := modeldir.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(gotModel.HeadSHA256) != 64 {
			t.Errorf("the head's hash is %q", gotModel.HeadSHA256)
		}
		m.FormatVersion, m.HeadSHA256 = modeldir.FormatVersion, gotModel.HeadSHA256
		if !reflect.DeepEqual(gotModel, m) || !reflect.DeepEqual(gotParams, p) {
			t.Errorf("read back %+v %+v", gotModel, gotParams)
		}
		sd, _, err := weights.Read(filepath.Join(dir, "head.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		if weight, _ := sd.Get("fc.weight"); !reflect.DeepEqual(weight.Shape, shape) {
			t.Errorf("%s head has shape %v on disk, torchvision's is %v", kind, weight.Shape, shape)
		}
	}
}

// An fx that knows no modes reads version 1 alone: it would crop what the network squashes.
func TestAModeOfPreprocessingHasAVersionOfItsOwn(t *testing.T) {
	for mode, want := range map[preprocess.Mode]int{preprocess.Crop: 1, preprocess.Squash: 2} {
		dir := t.TempDir()
		m, p := example("linear")
		m.Preprocess.Mode = mode
		if err := modeldir.Save(dir, m, p); err != nil {
			t.Fatal(err)
		}
		read, _, err := modeldir.Load(dir)
		if err != nil || read.FormatVersion != want || read.Preprocess.Mode != mode {
			t.Errorf("%v: version %d with mode %v, want %d; %v", mode, read.FormatVersion, read.Preprocess.Mode, want,
				err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	edit := func(change func(map[string]any)) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, "model.json")
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var m map[string]any
			if err := json.Unmarshal(text, &m); err != nil {
				return err
			}
			change(m)
			delete(m, checksum.Field) // of an older fx
			if text, err = json.Marshal(m); err != nil {
				return err
			}
			return os.WriteFile(path, text, 0o644)
		}
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		kind  fail.Kind
		says  string
	}{
		"no model at all": {func(dir string) error {
			return os.Remove(filepath.Join(dir, "model.json"))
		}, fail.Usage, "no model"},
		"no head": {func(dir string) error {
			return os.Remove(filepath.Join(dir, "head.safetensors"))
		}, fail.Model, "head"},
		"another model's head": {func(dir string) error {
			other := filepath.Join(dir, "other")
			m, p := example("linear")
			p.Weight = []float32{6, 5, 4, 3, 2, 1}
			if err := modeldir.Save(other, m, p); err != nil {
				return err
			}
			return os.Rename(filepath.Join(other, "head.safetensors"), filepath.Join(dir, "head.safetensors"))
		}, fail.Model, "belongs to another model"},
		"edited by hand": {func(dir string) error {
			path := filepath.Join(dir, "model.json")
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(text, []byte(`"bees"`), []byte(`"wasps"`), 1), 0o644)
		}, fail.Model, "model.json was changed after fx wrote it"},
		"half a file": {func(dir string) error {
			return os.Truncate(filepath.Join(dir, "model.json"), 40)
		}, fail.Model, "damaged"},
		"lists without end": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "model.json"),
				[]byte(`{"format_version": 1, "options": {"a": `+strings.Repeat("[", 9_000)), 0o644)
		}, fail.Model, "nested more than 100 deep"},
		"a file of a TiB": {func(dir string) error {
			return os.Truncate(filepath.Join(dir, "model.json"), 1<<40)
		}, fail.Model, "too large"},
		"a newer format": {edit(func(m map[string]any) { m["format_version"] = 99 }), fail.Model, "format version 99"},
		"an unknown preprocessing mode": {edit(func(m map[string]any) {
			m["preprocess"].(map[string]any)["mode"] = "border"
		}), fail.Model, `mode "border": this fx knows crop and squash`},
		"one class": {edit(func(m map[string]any) { m["classes"] = []string{"ants"} }), fail.Model, "1 classes"},
		"a class more": {edit(func(m map[string]any) {
			m["classes"] = []string{"a", "b", "c"}
		}), fail.Model, "fc.weight"},
		"another head": {edit(func(m map[string]any) {
			m["head"].(map[string]any)["weight_name"] = "fc2.weight"
		}), fail.Model, "fc2.weight"},
	} {
		dir := t.TempDir()
		m, p := example("linear")
		if err := modeldir.Save(dir, m, p); err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		_, _, err := modeldir.Load(dir)
		if err == nil || fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) ||
			fail.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %d)", name, err, fail.KindOf(err))
		}
	}
}

func ExampleSave() {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	model, params := example("linear")
	if err := modeldir.Save(dir, model, params); err != nil {
		panic(err)
	}
	model, params, err = modeldir.Load(dir)
	fmt.Println(model.Backbone.Name, model.Classes, len(params.Weight), err)
	// Output: resnet18 [ants bees] 6 <nil>
}

// Whether the weights were trained is read from a field; in a MODEL of an older fx,
// which has none, from its notes.
func TestUntrainedIsAField(t *testing.T) {
	const note, name = "the weights are random numbers of seed 0, not trained", "not trained.onnx does not say how " +
		"its images are normalised"
	for what, c := range map[string]struct {
		notes           []string
		untrained, want string
		older           bool
	}{
		"random": {[]string{"a note", "the weights are noise"}, "the weights are noise",
			"the weights are noise", false},
		"trained":          {[]string{name}, "", "", false},
		"random and older": {[]string{"a note", note}, "", note, true},
		"older":            {[]string{"a note"}, "", "", true},
	} {
		dir := filepath.Join(t.TempDir(), "model")
		m, p := example("linear")
		m.Notes, m.Untrained = c.notes, c.untrained
		if err := modeldir.Save(dir, m, p); err != nil {
			t.Fatal(err)
		}
		if c.older {
			removeField(t, filepath.Join(dir, "model.json"), "untrained")
		}
		got, _, err := modeldir.Load(dir)
		if err != nil || got.Untrained != c.want {
			t.Errorf("%s: %q, want %q (%v)", what, got.Untrained, c.want, err)
		}
	}
}

// removeField takes a field out of a document, and its checksum with it.
func removeField(t *testing.T, path, name string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if _, there := fields[name]; !there {
		t.Fatalf("%s has no %s", path, name)
	}
	delete(fields, name)
	delete(fields, checksum.Field)
	if text, err = json.Marshal(fields); err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A run that was interrupted is told from a folder of something else.
func TestAnUnfinishedRunIsNoModelYet(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := modeldir.Load(dir)
	if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "is not finished") ||
		!strings.Contains(fail.HintOf(err), "--out "+dir+" --resume") {
		t.Errorf("hint %q: %v", fail.HintOf(err), err)
	}
}

// maxvit's own classifier has no bias, but the head that fx trains has one.
func TestTheBiasOfAHeadHasAName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	m, p := example("linear")
	m.Head.WeightName, m.Head.BiasName = "classifier.5.weight", ""
	if err := modeldir.Save(dir, m, p); err != nil {
		t.Fatal(err)
	}
	got, params, err := modeldir.Load(dir)
	if err != nil || got.Head.BiasName != "classifier.5.bias" || !reflect.DeepEqual(params, p) {
		t.Errorf("bias %q, %v, %v", got.Head.BiasName, params, err)
	}
}
