package report

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"fx/internal/modeldir"
	"fx/internal/training"
)

// Heads that differ by their seed are one group although the seed draws other val photos and so other class weights,
// whether the MODEL says "auto" or, as an older fx wrote it, the numbers.
func TestBalancedClassWeightsAreOneGroup(t *testing.T) {
	w := newWorkshop(t)
	for dir, weights := range map[string]any{w.a: []float64{0.9, 1.1}, w.b: "auto"} {
		m, params, err := modeldir.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		m.Options["class_weights"] = weights
		m.Metrics.ValFraction, m.Metrics.ValSplit = 0.5, "0.5 of train"
		if dir == w.b { // of copies that go together the seed takes more or fewer
			m.Metrics.TrainPhotos, m.Metrics.ValPhotos = m.Metrics.TrainPhotos-1, m.Metrics.ValPhotos+1
		}
		if err := modeldir.Save(dir, m, params); err != nil {
			t.Fatal(err)
		}
	}
	p := gathered(t, Options{Runs: []string{w.a, w.b}})
	if len(p.Groups) != 1 || p.Groups[0].Accuracy.N != 2 {
		t.Errorf("groups %+v, what differs %+v", p.Groups, p.Differ)
	}
	for _, s := range p.Shared {
		if s.Name == "class-weights" && s.Value != "auto" {
			t.Errorf("class weights %q", s.Value)
		}
	}
}

// Every setting in the record of a network's training has a line in the report, and parts groups, but for the seed.
func TestEverySettingIsReported(t *testing.T) {
	var record map[string]any
	text, err := json.Marshal(training.Defaults().Record())
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := workshop{dir: t.TempDir()}
	made := func(name string, settings map[string]any) *run {
		dir := filepath.Join(w.dir, name)
		m := modeldir.Model{Mode: modeldir.Finetune, Options: map[string]any{"finetune": settings}}
		if err := makeRun(dir, w.dir, m, "w"); err != nil {
			t.Fatal(err)
		}
		r, err := open(found{dir: dir, name: name})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := made("plain", record)
	for name, value := range record {
		changed := maps.Clone(record)
		switch v := value.(type) {
		case float64:
			changed[name] = v + 1
		case bool:
			changed[name] = !v
		case string:
			changed[name] = v + "x"
		default:
			changed[name] = []string{"fc.*"}
		}
		other := made("changed-"+name, changed)
		_, differ := compare([]*run{plain, other})
		var names []string
		for _, d := range differ {
			names = append(names, d.Name)
		}
		want := name
		if name == "head-only" {
			want = "trainable"
		}
		if !slices.Equal(names, []string{want}) {
			t.Errorf("%s changes %v", name, names)
		}
		if apart := plain.group() != other.group(); apart != (name != "seed") {
			t.Errorf("%s parts groups: %v", name, apart)
		}
	}
}
