package experiments

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/training"
	"fx/internal/weights"
)

// small is a file that parses.
const small = `
format: 1
name: small
data: photos
backbones: [alexnet, {name: squeezenet1_1, weights: seed:3}]
modes: [finetune, scratch]
seeds: [0, 7]
settings: {epochs: 2, lr: 0.01}
overrides:
  - {mode: scratch, settings: {epochs: 5}}
  - {backbone: alexnet, mode: scratch, settings: {batch-size: 4}}
`

func TestSettingsComeFromFileAndOverrides(t *testing.T) {
	f, err := parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Network{{Name: "alexnet"},
		{Name: "squeezenet1_1", Weights: weights.Seed(3)}}; !reflect.DeepEqual(f.Backbones, want) {
		t.Errorf("backbones %+v", f.Backbones)
	}
	for _, c := range []struct {
		backbone, mode string
		epochs, batch  int
	}{
		{"alexnet", modeldir.Finetune, 2, 8}, {"alexnet", modeldir.Scratch, 5, 4}, {"squeezenet1_1", modeldir.Scratch,
			5, 8},
	} {
		s, err := f.settings(c.backbone, c.mode)
		if err != nil {
			t.Fatal(err)
		}
		if s.Epochs != c.epochs || s.BatchSize != c.batch || s.LR != 0.01 || s.Momentum != 0.9 {
			t.Errorf("%s %s: %+v", c.backbone, c.mode, s)
		}
	}
	if err := f.Set("epochs=3"); err != nil {
		t.Fatal(err)
	}
	if s, _ := f.settings("alexnet", modeldir.Scratch); s.Epochs != 3 || f.Settings.Epochs != 3 {
		t.Errorf("--set is outdone: %+v", s)
	}
}

// refused are changes of small that are refused, and what the message says.
var refused = map[string]struct{ old, new, says string }{
	"another format":       {"format: 1", "format: 2", "format 2"},
	"no format":            {"format: 1", "", "no format"},
	"no YAML":              {"modes: [", "modes: [[", "modes"},
	"no list of seeds":     {"[0, 7]", "3", "list in [brackets]"},
	"an unknown field":     {"seeds:", "sedes:", "sedes"},
	"an unknown setting":   {"epochs: 2", "epoch: 2", "epoch"},
	"an unknown override":  {"epochs: 5", "epoch: 5", "epoch"},
	"a word for a number":  {"epochs: 2", "epochs: two", "no whole number"},
	"a mode":               {"modes: [finetune", "modes: [fine", "fine"},
	"a mode twice":         {"modes: [finetune", "modes: [finetune, finetune", "twice"},
	"a backbone twice":     {"[alexnet", "[alexnet, alexnet", "twice"},
	"a backbone's alias":   {"[alexnet", "[resnet50, resnet50@v1, alexnet", "are the same network"},
	"a seed twice":         {"[0, 7]", "[7, 7]", "twice"},
	"a seed below zero":    {"[0, 7]", "[-1]", "-1"},
	"no seeds":             {"[0, 7]", "[]", "seeds"},
	"no data":              {"data: photos", "", "data"},
	"a name with a slash":  {"name: small", "name: a/b", "a/b"},
	"an override of none":  {"{backbone: alexnet", "{backbone: resnet18", "resnet18"},
	"epochs of no number":  {"epochs: 2", "epochs: 0", "epochs"},
	"weights of a mapping": {"data: photos", "data: photos\nweights-if-missing: {a: b}", "cannot unmarshal map"},
	"weights of no seed":   {"data: photos", "data: photos\nweights-if-missing: seed:x", `"seed:x" is not a seed`},
	"missing weights":      {"data: photos", "data: photos\nweights-if-missing: none", "seed:N"},
	"an optimizer":         {"epochs: 2", "optimizer: adam", "adam"},
	"a network's field":    {"weights: seed:3", "weight: seed:3", "weight"},
	"a reference's figure": {"data: photos",
		"data: photos\nreferences: [{name: x, figures: [{backbone: alexnet, mode: finetune, best-val-accuracy: " +
			"93}]}]", "(0, 1]"},
}

func TestParseRefuses(t *testing.T) {
	for name, c := range refused {
		if !strings.Contains(small, c.old) {
			t.Fatalf("%s: the file has no %q", name, c.old)
		}
		path := filepath.Join(t.TempDir(), "small.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(small, c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), path)
		if err == nil || fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.says) ||
			!strings.Contains(err.Error(), path) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilesOfTheProgram(t *testing.T) {
	if len(Names()) < 2 {
		t.Fatalf("built in: %v", Names())
	}
	for _, name := range Names() {
		f, err := Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != name {
			t.Errorf("the file %s.yaml calls itself %s", name, f.Name)
		}
		tutorial := training.Defaults()
		tutorial.Views = tutorial.Epochs - 1 // and the centre view
		for _, b := range f.Backbones {      // no network's settings may differ from the tutorial's
			for _, mode := range f.Modes {
				if s, err := f.settings(b.Name, mode); err != nil || !reflect.DeepEqual(s, tutorial) {
					t.Errorf("%s: %s %s: %+v, %v", name, b.Name, mode, s, err)
				}
			}
		}
	}
}
