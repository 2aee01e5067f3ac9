package training

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
)

// changed are the defaults with one setting changed to another allowed value, not the zero value.
func changed(t *testing.T, f Field) Settings {
	t.Helper()
	s := Defaults()
	switch v := f.Of(&s).(type) {
	case *bool:
		*v = true
	case *int:
		*v += 3
	case *uint64:
		*v += 3
	case *float64:
		*v = *v/2 + 0.0003
	case **float64:
		given := 0.25
		*v = &given
	case *[]string:
		*v = []string{"fc.*", "layer4.*"}
	case *string:
		*v = "other"
		if len(f.Choices) > 0 {
			*v = f.Choices[len(f.Choices)-1]
		}
	default:
		t.Fatalf("%s: a %T, which has no flag", f.Name, v)
	}
	return s
}

// Every field of Settings has a name, a training that uses it and a help text.
func TestEverySettingIsDescribed(t *testing.T) {
	if len(fields) != reflect.TypeFor[Settings]().NumField() || len(usages) != len(fields) {
		t.Errorf("%d fields, %d texts", len(fields), len(usages))
	}
	var names []string
	for _, f := range fields {
		named := regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(f.Name) && !slices.Contains(names, f.Name)
		if !named || f.By == 0 || f.Usage(Finetune) == "" || f.Usage(Head) == "" {
			t.Errorf("%q has the name of another, nobody who uses it, or no text: %+v", f.Name, f)
		}
		names = append(names, f.Name)
	}
	for _, name := range slices.Concat(keyed, notInRun, notInHead) {
		if !slices.Contains(names, name) {
			t.Errorf("%s is no setting", name)
		}
	}
	if err := Defaults().Check(FeatureExtraction | Network); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

// A change of any setting that results depend on is seen in the key, the record and what is read of the record.
func TestNoSettingIsMissed(t *testing.T) {
	d := Defaults()
	for _, f := range fields {
		s := changed(t, f)
		if err := s.Check(f.By); err != nil && f.Name != "nesterov" {
			t.Errorf("%s: %v", f.Name, err)
		}
		for _, by := range []UsedBy{FeatureExtraction, Finetune, Scratch} {
			differ := !reflect.DeepEqual(marshal(t, s.Key(by)), marshal(t, d.Key(by)))
			if want := f.By&by != 0 && f.YAML && f.Result; differ != want {
				t.Errorf("%s changes the key of training %d: %v, want %v", f.Name, by, differ, want)
			}
		}
		if differ := !reflect.DeepEqual(s.ExperimentRecord(), d.ExperimentRecord()); differ != (f.YAML && f.Result) {
			t.Errorf("%s changes what experiment.json says: %v", f.Name, differ)
		}
		if differ, want := !reflect.DeepEqual(s.KeyOfFeatures(),
			d.KeyOfFeatures()), f.By&Extraction != 0; differ != want {
			t.Errorf("%s changes the key of features: %v, want %v", f.Name, differ, want)
		}
		record := func(s Settings) Record { return NetworkRecord(plain(s.Record()), "") }
		differs(t, f, "run.json", f.By&Network != 0 && f.Result && !slices.Contains(notInRun, f.Name), record(s),
			record(d))
		with, without := s, d
		if f.Solver == LBFGS {
			with.Solver, without.Solver = LBFGS, LBFGS
		}
		head := func(s Settings) Record { return plain(s.HeadRecord()).(map[string]any) }
		differs(t, f, "model.json", f.By&Head != 0 && !slices.Contains(notInHead, f.Name), head(with), head(without))
	}
}

// differs checks that two records differ in the setting, before and after they are read, or that they don't.
func differs(t *testing.T, f Field, where string, want bool, a, b Record) {
	t.Helper()
	if differ := !reflect.DeepEqual(a, b); differ != want {
		t.Errorf("%s changes %s: %v, want %v", f.Name, where, differ, want)
	}
	x, _ := a.Read()
	y, _ := b.Read()
	name := f.Name
	if name == "head-only" {
		name = "trainable"
	}
	if differ := !reflect.DeepEqual(x[name], y[name]); differ != want {
		t.Errorf("%s is read from %s as %v and %v", f.Name, where, x[name], y[name])
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The bytes of keys are those of the first version.
func TestKeysHaveTheirBytes(t *testing.T) {
	const rest = `"optimizer":"sgd","nesterov":false,"schedule":"constant","step-epochs":7,` +
		`"warmup-epochs":0,"label-smoothing":0,` +
		`"clip-grad-norm":0,"ema":0,"head-lr-multiplier":1,"frozen-bn":false,"precision":"float32"}`
	const first = `{"epochs":15,"batch-size":8,"lr":0.001,"momentum":0.9,"weight-decay":0,` +
		`"class-weights":"none","resize":0,"crop":0,` +
		`"train-split":"","val-split":"","exif":"ignore",`
	for by, want := range map[UsedBy]string{
		Finetune: first + `"views":0,"dtype":"",` + rest,
		Scratch:  first + `"views":0,"dtype":"",` + rest,
		FeatureExtraction: `{"batch-size":8,"class-weights":"none","crop":0,"dtype":"float16","epochs":15,` +
			`"exif":"ignore","lr":0.001,` +
			`"momentum":0.9,"resize":0,"train-split":"","val-split":"","views":4,"weight-decay":0}`,
	} {
		if got := marshal(t, Defaults().Key(by)); got != want {
			t.Errorf("training %d:\n%s\n%s", by, got, want)
		}
	}
	s := Defaults()
	s.Optimizer = AdamW
	if got := marshal(t, s.Key(Finetune)); !strings.Contains(got, `"momentum":0.9,"weight-decay":0.01,`) {
		t.Errorf("AdamW: %s", got)
	}
}

// Records of an older fx are read as if it had known the settings of today.
func TestReadRecordOfAnOlderFx(t *testing.T) {
	for _, c := range []struct {
		options   Record
		ofNetwork bool
		want      map[string]any
	}{
		{Record{"solver": "sgd", "class_weights": []any{0.5, 1.5}, "batch_size": 4.0}, false,
			map[string]any{"class-weights": "auto", "batch-size": 4.0, "lr": 0.001}},
		{Record{"solver": "lbfgs", "class_weights": nil, "l2": 0.5}, false,
			map[string]any{"class-weights": "none", "l2": 0.5, "lr": nil}},
		{Record{"finetune": map[string]any{"lr": 0.5, "trainable": nil, "head-only": false}}, true,
			map[string]any{"lr": 0.5, "trainable": "all", "head-only": nil, "accumulate": 1.0, "weight-decay": 0.0}},
		{Record{"finetune": map[string]any{"trainable": []any{"fc.*", "layer4.*"}}}, true,
			map[string]any{"trainable": "fc.*,layer4.*"}},
		{Record{"finetune": map[string]any{"trainable": nil, "head-only": true}}, true,
			map[string]any{"trainable": "head"}},
	} {
		before := marshal(t, c.options)
		got, ofNetwork := c.options.Read()
		for name, value := range c.want {
			if got[name] != value {
				t.Errorf("%v: %s is %v, not %v", c.options, name, got[name], value)
			}
		}
		if ofNetwork != c.ofNetwork || marshal(t, c.options) != before {
			t.Errorf("%v: of a network: %v", c.options, ofNetwork)
		}
	}
}

func TestResolved(t *testing.T) {
	given := 0.0
	for _, c := range []struct {
		change          func(*Settings)
		by              UsedBy
		decay, momentum float64
	}{
		{func(*Settings) {}, Finetune, 0, 0.9},
		{func(s *Settings) { s.Optimizer = AdamW }, Finetune, 0.01, 0},
		{func(s *Settings) { s.Optimizer = AdamW }, Scratch, 0.01, 0},
		{func(s *Settings) { s.Optimizer = AdamW }, FeatureExtraction, 0, 0.9}, // whose heads learn by SGD
		{func(s *Settings) { s.Optimizer, s.WeightDecay = AdamW, &given }, Finetune, 0, 0},
	} {
		s := Defaults()
		c.change(&s)
		if r := s.Resolved(c.by); *r.WeightDecay != c.decay || r.Momentum != c.momentum {
			t.Errorf("%s by %d: decay %g, momentum %g", s.Optimizer, c.by, *r.WeightDecay, r.Momentum)
		}
	}
	if d := Defaults(); d.WeightDecay != nil {
		t.Error("a default was resolved")
	}
	if r := (Settings{}).Resolved(Finetune); r.StepEpochs != 7 || r.Accumulate != 1 || r.HeadMultiplier != 1 {
		t.Errorf("zeros: %+v", r)
	}
}

func TestCheckRefuses(t *testing.T) {
	minus := -0.5
	for says, change := range map[string]func(*Settings){
		"--epochs 0 is out of range":          func(s *Settings) { s.Epochs = 0 },
		"--lr 0 is out of range":              func(s *Settings) { s.LR = 0 },
		"--lr NaN is out of range":            func(s *Settings) { s.LR = math.NaN() },
		"--lr +Inf is out of range":           func(s *Settings) { s.LR = math.Inf(1) },
		"--momentum 1 is out of range":        func(s *Settings) { s.Momentum = 1 },
		"--weight-decay -0.5 is out of range": func(s *Settings) { s.WeightDecay = &minus },
		"--warmup-epochs 16 is out of range":  func(s *Settings) { s.WarmupEpochs = 16 },
		"--optimizer adam":                    func(s *Settings) { s.Optimizer = "adam" },
		"--schedule ":                         func(s *Settings) { s.Schedule = "" },
		"Nesterov momentum":                   func(s *Settings) { s.Optimizer, s.Nesterov = AdamW, true },
		"--head-only and --trainable":         func(s *Settings) { s.HeadOnly, s.Trainable = true, []string{"fc.*"} },
		"--frozen-bn":                         func(s *Settings) { s.FrozenBN = true },
	} {
		s := Defaults()
		change(&s)
		err := s.Check(Scratch)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(fmt.Sprint(err), says) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", says, err, fail.HintOf(err))
		}
	}
	s := Defaults()
	s.FrozenBN, s.Nesterov, s.EMA = true, true, 0.999
	if err := s.Check(Finetune); err != nil {
		t.Error(err)
	}
}

func Example() {
	s := Defaults()
	s.Optimizer, s.LR = AdamW, 2
	fmt.Println(s.Check(Finetune), "and", *s.Resolved(Finetune).WeightDecay)
	s.Schedule = "linear"
	fmt.Println(s.Check(Finetune))
	fmt.Println(slices.Sorted(maps.Keys(s.KeyOfFeatures())))
	// Output:
	// <nil> and 0.01
	// --schedule linear
	// [crop dtype exif resize train-split views]
}
