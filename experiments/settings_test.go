package experiments

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"fx/internal/modeldir"
	"fx/internal/training"
)

// Every setting that a file may set is read under its name, in settings and in overrides; no other is.
func TestFilesHaveEverySetting(t *testing.T) {
	guide, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range training.Fields(training.FeatureExtraction | training.Network) {
		if named := strings.Contains(string(guide), "`"+f.Name+"`"); named != f.YAML {
			t.Errorf("README.md names %s: %v", f.Name, named)
		}
		want := training.Defaults()
		text := "other"
		switch v := f.Of(&want).(type) {
		case *int:
			*v, text = 9, "9"
		case *float64:
			*v, text = 0.0003, "0.0003"
		case **float64:
			given := 0.0003
			*v, text = &given, "0.0003"
		case *bool:
			*v, text = true, "true"
		case *string:
			if *v = text; len(f.Choices) > 0 {
				*v, text = f.Choices[1], f.Choices[1]
			}
		}
		for _, of := range []string{"{epochs: 2, lr: 0.01}", "{epochs: 5}"} { // settings, an override
			file := strings.Replace(small, of, fmt.Sprintf("{%s: %s}", f.Name, text), 1)
			file = strings.Replace(file, "{epochs: 5}", "{}", 1)
			file = strings.NewReplacer("[finetune, scratch]", "[finetune]", "mode: scratch",
				"mode: finetune").Replace(file)
			read, err := parse([]byte(file))
			if !f.YAML {
				if err == nil || !strings.Contains(err.Error(), f.Name) {
					t.Errorf("%s is no setting of a file, and it says: %v", f.Name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
				continue
			}
			s, err := read.settings("squeezenet1_1", modeldir.Finetune)
			if got := f.Of(&s); err != nil || !reflect.DeepEqual(got, f.Of(&want)) {
				t.Errorf("%s: %s is read as %v, %v", f.Name, text, reflect.ValueOf(got).Elem(), err)
			}
		}
	}
}

// An override of what is unset changes no other run.
func TestAnOverrideOfTheDecayIsOfItsRunsAlone(t *testing.T) {
	text := strings.NewReplacer("lr: 0.01", "weight-decay: 0.5", "{epochs: 5}", "{weight-decay: 0.25}").Replace(small)
	f, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for mode, want := range map[string]float64{modeldir.Finetune: 0.5, modeldir.Scratch: 0.25} {
			if s, err := f.settings("alexnet", mode); err != nil || *s.WeightDecay != want {
				t.Errorf("%s: %g, %v", mode, *s.WeightDecay, err)
			}
		}
	}
	if *f.Settings.WeightDecay != 0.5 {
		t.Errorf("the file's: %g", *f.Settings.WeightDecay)
	}
}
