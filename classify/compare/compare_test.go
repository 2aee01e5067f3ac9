package compare

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fx/head"
	"fx/internal/dataset"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/preprocess"
	"fx/internal/store"
	"fx/internal/training"
	"fx/internal/weights"
)

// model is a MODEL of fx finetune; change makes another of it.
func model(t *testing.T, change func(*modeldir.Model)) string {
	t.Helper()
	m := modeldir.Model{
		Backbone: modeldir.Backbone{Name: "resnet18", Weights: weights.File("checkpoint/best/model.safetensors"),
			WeightsSHA256: "trained"},
		Preprocess: preprocess.ImageNet(224, 224), EXIF: "ignore", Mode: modeldir.Finetune, Classes: []string{"ants",
			"bees"},
		Head: modeldir.Head{Layout: headspec.Layout{Kind: "linear", Features: 1, Positions: 1},
			WeightName: "w", BiasName: "b", FeatureShape: []int{1}},
		Options: map[string]any{
			"weights": "/somewhere/resnet18-f37072fd.pth",
			"finetune": map[string]any{"lr": 0.001, "epochs": 2, "trainable": nil, "head-only": false,
				"weights (SHA-256)": "f37072fd", "seed": 0},
		},
		Versions: map[string]string{"fx": "v1", "onnxruntime": "1.31.1"}, Notes: []string{"a note"},
		Metrics: modeldir.Metrics{
			BestValAccuracy: 0.75, BestEpoch: 2, Seconds: 10, ImagesPerSecond: 20, ParametersTrained: 100,
			TrainPhotos: 50, ValPhotos: 40,
			Epochs: []metrics.Epoch{{Epoch: 1, ValLoss: 9},
				{Epoch: 2, TrainLoss: 0.5, TrainAccuracy: 0.7, ValLoss: 0.6, ValAccuracy: 0.75}},
		},
	}
	change(&m)
	dir := filepath.Join(t.TempDir(), "model")
	if err := modeldir.Save(dir, m, headspec.Params{Weight: []float32{1, 2}, Bias: []float32{0, 0}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEqualModels(t *testing.T) {
	a, b := model(t, func(*modeldir.Model) {}), model(t, func(*modeldir.Model) {})
	c, err := Folders(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Settings.Differ)+len(c.Settings.OnlyA)+len(c.Settings.OnlyB) > 0 || c.Settings.Equal < 20 {
		t.Errorf("settings %+v", c.Settings)
	}
	if len(c.Results) != 1 || c.Results[0].Name != "best val accuracy" || c.Equal != 8 {
		t.Errorf("results %+v and %d equal ones", c.Results, c.Equal)
	}
	if got := c.Accuracy.Sentence(); got != "The accuracies on 40 val photos are equal." {
		t.Error(got)
	}
	if !c.Accuracy.WithinChance || c.Accuracy.Difference != 0 || c.A.Title != "resnet18, finetune" ||
		c.A.Notes[0] != "a note" {
		t.Errorf("%+v, %+v", c.Accuracy, c.A)
	}
}

func TestModelsThatDiffer(t *testing.T) {
	finetuned := func(m *modeldir.Model, key string, value any) { m.Options["finetune"].(map[string]any)[key] = value }
	for name, c := range map[string]struct {
		change func(*modeldir.Model)
		want   []Difference
	}{
		"a flag": {func(m *modeldir.Model) { finetuned(m, "lr", 0.01) }, []Difference{{"lr", 0.001, 0.01}}},
		"patterns": {func(m *modeldir.Model) {
			finetuned(m, "trainable", []string{"fc.*"})
		}, []Difference{{"trainable", "all", "fc.*"}}},
		"the head": {func(m *modeldir.Model) {
			finetuned(m, "head-only", true)
		}, []Difference{{"trainable", "all", "head"}}},
		"preprocessing": {func(m *modeldir.Model) {
			m.Preprocess.Crop = 200
		}, []Difference{{"preprocessing.crop", 224.0, 200.0}}},
		"preprocessing mode": {func(m *modeldir.Model) {
			m.Preprocess.Mode = preprocess.Squash
		}, []Difference{{"preprocessing.mode", "crop", "squash"}}},
		"classes": {func(m *modeldir.Model) {
			m.Classes = []string{"ants", "wasps"}
		}, []Difference{{"classes", "ants, bees", "ants, wasps"}}},
		"a version": {func(m *modeldir.Model) {
			m.Versions["fx"] = "v2"
		}, []Difference{{"version of fx", "v1", "v2"}}},
		"photos": {func(m *modeldir.Model) {
			m.Metrics.TrainPhotos = 51
		}, []Difference{{"train photos", 50, 51}}},
		"weights": {func(m *modeldir.Model) { m.Options["weights"] = "seed:1"; finetuned(m, "weights (SHA-256)", "0") },
			[]Difference{{"weights", "resnet18-f37072fd.pth", "seed:1"}, {"weights (SHA-256)", "f37072fd", "0"}}},
		"where the weights lie": {func(m *modeldir.Model) {
			m.Options["weights"] = "/elsewhere/resnet18-f37072fd.pth"
		}, []Difference{}},
	} {
		got, err := Folders(t.Context(), model(t, func(*modeldir.Model) {}), model(t, c.change))
		if err != nil || !reflect.DeepEqual(got.Settings.Differ, c.want) ||
			len(got.Settings.OnlyA)+len(got.Settings.OnlyB) > 0 {
			t.Errorf("%s: %+v, not %v, %v", name, got.Settings, c.want, err)
		}
	}
}

func TestResultsThatDiffer(t *testing.T) {
	b := model(t, func(m *modeldir.Model) {
		m.Metrics.BestValAccuracy, m.Metrics.BestEpoch = 0.9, 1
		m.Metrics.Seconds, m.Metrics.ParametersTrained = 12.5, 1000
	})
	c, err := Folders(t.Context(), model(t, func(*modeldir.Model) {}), b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Result{}
	for _, r := range c.Results {
		if math.Abs(r.B-r.A-r.Difference) > 1e-15 {
			t.Errorf("%+v", r)
		}
		got[r.Name] = r
	}
	for name, want := range map[string][2]float64{
		"best val accuracy": {0.75, 0.9}, "best epoch": {2, 1}, "val loss at best epoch": {0.6,
			9}, "train loss at best epoch": {0.5, 0},
		"train accuracy at best epoch": {0.7, 0}, "seconds": {10, 12.5}, "parameters trained": {100, 1000},
	} {
		if r := got[name]; r.A != want[0] || r.B != want[1] {
			t.Errorf("%s: %+v, not %v", name, r, want)
		}
	}
	if len(c.Results) != 7 || c.Equal != 2 {
		t.Errorf("%d results, %d the same", len(c.Results), c.Equal)
	}
	// 30 and 36 of 40 right: not enough to tell.
	if a := c.Accuracy; !a.WithinChance || a.Method != agrestiCaffo ||
		!strings.HasPrefix(a.Sentence(), "A difference of +0.1500 on 40 val photos is within what chance gives") {
		t.Errorf("%+v: %s", a, a.Sentence())
	}
}

// stored makes a store of val photos at the given places on a line, the first half
// of which are ants, and a MODEL of fit-head that calls bees what lies above the threshold.
func stored(t *testing.T, places []float32) (features string, modelAt func(threshold float32) string) {
	t.Helper()
	m := store.Manifest{
		Backbone: "none", GraphSHA256: "g", Weights: "w", WeightsSHA256: "w", Preprocess: preprocess.ImageNet(224,
			224), EXIF: "ignore",
		Decoder: "go image/jpeg", Compute: store.Compute{Provider: "CPUExecutionProvider",
			Precision: store.Float32}, DType: store.Float32, FeatureShape: []int{1}, Classes: []string{"ants", "bees"},
	}
	features = filepath.Join(t.TempDir(), "features")
	w, err := store.OpenForWriting(t.Context(), features, m, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var entries []store.Entry
	for i := range places {
		label := i * 2 / len(places)
		rel := fmt.Sprintf("val/%s/%d.jpg", m.Classes[label], i)
		entries = append(entries,
			store.Entry{Item: dataset.Item{Path: rel, Rel: rel, Split: "val", Class: m.Classes[label], Label: label}})
	}
	plan, err := w.Plan(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range plan.Chunks {
		var rows []store.Computed
		for _, job := range chunk.Jobs {
			rows = append(rows,
				store.Computed{Entry: job.Entry,
					Content:   store.Content{SHA256: sha256.Sum256([]byte(entries[job.Entry].Rel))},
					Embedding: []float32{places[job.Entry]}})
		}
		if err := w.WriteChunk(chunk, rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return features, func(threshold float32) string {
		right := 0
		for i, at := range places {
			if (at > threshold) == (i >= len(places)/2) {
				right++
			}
		}
		dir := filepath.Join(t.TempDir(), "model")
		err := modeldir.Save(dir, modeldir.Model{
			Backbone: modeldir.Backbone{Name: "none", GraphSHA256: "g", Weights: weights.File("w"),
				WeightsSHA256: "w"},
			Preprocess: m.Preprocess, EXIF: "ignore", Classes: m.Classes, Features: features,
			Head: modeldir.Head{Layout: headspec.Layout{Kind: "linear", Features: 1, Positions: 1},
				WeightName: "w", BiasName: "b", FeatureShape: []int{1}},
			Options: map[string]any{"solver": "sgd", "batch_size": 8, "class_weights": nil},
			Metrics: modeldir.Metrics{BestValAccuracy: float64(right) / float64(len(places)), ValPhotos: len(places),
				ValSplit: "val", TrainSplit: "train"},
		}, headspec.Params{Weight: []float32{-1, 1}, Bias: []float32{threshold, -threshold}})
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
}

// Two heads on one store are compared photo by photo.
func TestHeadsOfOneStoreArePaired(t *testing.T) {
	features, at := stored(t, []float32{0, 1, 2, 9, 3, 4, 5, 6})
	good, bad := at(2.5), at(4.5) // which is wrong on the bees at 3 and 4 too
	c, err := Folders(t.Context(), good, bad)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Accuracy; a.Method != mcNemar || a.OnlyA != 2 || a.OnlyB != 0 || a.P != 0.5 || !a.WithinChance ||
		a.Difference != -0.25 {
		t.Errorf("%+v", a)
	}
	if want := "A difference of -0.2500 on 8 val photos is within what chance gives: A alone is right on 2, B alone " +
		"on 0 (McNemar's exact test, p = 0.500)."; c.Accuracy.Sentence() != want {
		t.Error(c.Accuracy.Sentence())
	}
	m, p, err := modeldir.Load(good)
	if err != nil {
		t.Fatal(err)
	}
	m.Metrics.BestValAccuracy = 0.75 // as if the store had changed since
	if err := modeldir.Save(good, m, p); err != nil {
		t.Fatal(err)
	}
	if c, err := Folders(t.Context(), good, bad); err != nil || c.Accuracy.Method != agrestiCaffo {
		t.Errorf("on another store: %+v, %v", c.Accuracy, err)
	}
	if err := os.RemoveAll(features); err != nil {
		t.Fatal(err)
	}
	if c, err = Folders(t.Context(), good, bad); err != nil || c.Accuracy.Method != agrestiCaffo {
		t.Errorf("without the store: %+v, %v", c.Accuracy, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, at = stored(t, []float32{0, 1, 2, 3})
	if _, err := Folders(cancelled, at(0), at(1)); err == nil {
		t.Error("a cancelled comparison succeeded")
	}
}

// fit-head's settings have the flags' names, and what only finetune has stands apart.
func TestAHeadAgainstAFinetunedNetwork(t *testing.T) {
	_, at := stored(t, []float32{0, 1})
	c, err := Folders(t.Context(), at(0.5), model(t, func(*modeldir.Model) {}))
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Settings.OnlyA; a["solver"] != "sgd" || a["features"] == "" {
		t.Errorf("only A: %v", a)
	}
	if b := c.Settings.OnlyB; b["optimizer"] != "sgd" || b["trainable"] != "all" {
		t.Errorf("only B: %v", b)
	}
	if !slices.Contains(c.Settings.Differ, Difference{"trained by", "fx fit-head", "fx finetune"}) {
		t.Errorf("%+v", c.Settings.Differ)
	}
}

// run is a finished run with an accuracy.
func run(backbone, mode string, accuracy float64) experimentdir.Run {
	return experimentdir.Run{Backbone: backbone, Mode: mode, Status: experimentdir.Finished, Seconds: 10,
		Weights: "w.pth", Result: &experimentdir.Result{BestValAccuracy: accuracy}}
}

func experiment(t *testing.T, settings map[string]any, runs ...experimentdir.Run) string {
	t.Helper()
	dir := t.TempDir()
	if err := experimentdir.Save(dir, experimentdir.Experiment{Name: "e", Title: "An experiment", Settings: settings,
		Runs: runs}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExperiments(t *testing.T) {
	pending := experimentdir.Run{Backbone: "vgg11_bn", Mode: "scratch", Status: experimentdir.Pending,
		Weights: "seed:0", Seeded: true,
		Result: &experimentdir.Result{BestValAccuracy: 1}} // of an earlier key
	a := experiment(t, map[string]any{"epochs": 15, "finetune": map[string]any{"lr": 0.001}},
		run("resnet18", "finetune", 0.93), run("resnet18", "finetune", 0.94), run("resnet18", "finetune",
			0.95), run("alexnet", "scratch", 0.6), pending)
	b := experiment(t, map[string]any{"epochs": 15, "finetune": map[string]any{"lr": 0.01}},
		run("alexnet", "scratch", 0.7), run("resnet18", "finetune", 0.90), run("resnet18", "finetune",
			0.93), run("resnet18", "finetune", 0.92), run("densenet121", "finetune", 0.9))
	c, err := Folders(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Difference{{"finetune.lr", 0.001, 0.01}}; c.Kind != Experiments ||
		!reflect.DeepEqual(c.Settings.Differ, want) || c.Settings.Equal != 6 {
		t.Errorf("settings %+v", c.Settings)
	}
	var names []string
	for _, m := range c.Means {
		names = append(names, m.Backbone)
	}
	if !slices.Equal(names, []string{"resnet18", "alexnet", "vgg11_bn", "densenet121"}) {
		t.Fatalf("means of %v", names)
	}
	// Those of scipy 1.17: ttest_ind(b, a, equal_var=False).confidence_interval().
	resnet := c.Means[0]
	if math.Abs(*resnet.Difference+0.0233333333) > 1e-9 || math.Abs(*resnet.Low+0.0545421728522894) > 1e-9 ||
		math.Abs(*resnet.High-0.007875506185622543) > 1e-9 || !*resnet.WithinChance {
		t.Errorf("%g in %g to %g", *resnet.Difference, *resnet.Low, *resnet.High)
	}
	if math.Abs(resnet.A.SD-0.01) > 1e-12 || resnet.A.Runs != 3 || resnet.A.Seconds != 10 ||
		math.Abs(resnet.A.BestValAccuracy-0.94) > 1e-12 {
		t.Errorf("%+v", resnet.A)
	}
	if alexnet := c.Means[1]; alexnet.Difference == nil || alexnet.Low != nil || alexnet.Sentence() != "" {
		t.Errorf("one run each: %+v", alexnet)
	}
	if vgg := c.Means[2]; vgg.Difference != nil || vgg.A.Planned != 1 || vgg.A.Runs != 0 || !vgg.A.Seeded ||
		vgg.B.Planned != 0 {
		t.Errorf("%+v", vgg)
	}
	if _, err := json.Marshal(c); err != nil {
		t.Error(err)
	}
}

func TestFoldersThatCanNotBeCompared(t *testing.T) {
	m, e, unfinished := model(t, func(*modeldir.Model) {}), experiment(t, nil), t.TempDir()
	if err := os.WriteFile(filepath.Join(unfinished, "run.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for says, pair := range map[string][2]string{
		"can't be read":                       {m, loop},
		"there is no folder":                  {m, filepath.Join(m, "absent")},
		"neither a MODEL nor an experiment":   {t.TempDir(), m},
		"is not finished":                     {m, unfinished},
		"is an experiment, and the other is ": {m, e},
	} {
		if _, err := Folders(t.Context(), pair[0], pair[1]); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), says) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// The p-values are those of scipy.stats.binomtest(b, b+c), version 1.17.
func TestExactMcNemar(t *testing.T) {
	for pair, want := range map[[2]int]float64{{3, 5}: 0.7265625, {6, 0}: 0.03125, {1, 15}: 0.000518798828125,
		{10, 10}: 1, {0, 0}: 1} {
		if got := exactMcNemar(pair[0], pair[1]); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v: p = %g, not %g", pair, got, want)
		}
	}
}

// Both intervals by the formula of the paper, in Python; accuracies of 1 have one too.
func TestIntervalOfDifference(t *testing.T) {
	for of, want := range map[[4]int][2]float64{
		{142, 153, 123, 153}: {-0.1983141297255795, -0.04684716059700113},
		{10, 10, 10, 10}:     {-0.22115031502926005, 0.22115031502926005},
	} {
		low, high := intervalOfDifference(of[0], of[1], of[2], of[3])
		if math.Abs(low-want[0]) > 1e-9 || math.Abs(high-want[1]) > 1e-9 {
			t.Errorf("%v: %g to %g, not %v", of, low, high, want)
		}
	}
}

func ExampleFolders() {
	dir, err := os.MkdirTemp("", "compare")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, rate := range []float64{0.001, 0.01} { // as fx fit-head writes them
		m := modeldir.Model{
			Backbone: modeldir.Backbone{Name: "resnet18"}, Preprocess: preprocess.ImageNet(224,
				224), Classes: []string{"ants", "bees"},
			Head: modeldir.Head{Layout: headspec.Layout{Kind: "linear", Features: 1, Positions: 1},
				WeightName: "w", BiasName: "b", FeatureShape: []int{1}},
			Options: map[string]any{"lr": rate, "solver": head.SGD}, Metrics: modeldir.Metrics{BestValAccuracy: 0.9 +
				rate, ValPhotos: 153},
		}
		if err := modeldir.Save(filepath.Join(dir, fmt.Sprint(rate)), m,
			headspec.Params{Weight: []float32{1, 2}, Bias: []float32{0, 0}}); err != nil {
			panic(err)
		}
	}
	c, err := Folders(context.Background(), filepath.Join(dir, "0.001"), filepath.Join(dir, "0.01"))
	if err != nil {
		panic(err)
	}
	for _, d := range c.Settings.Differ {
		fmt.Println(d.Name, d.A, d.B)
	}
	fmt.Println("within chance:", c.Accuracy.WithinChance)
	// Output:
	// lr 0.001 0.01
	// within chance: true
}

// Every setting in the record of a network's training or of a head's is compared by its flag's name.
func TestEverySettingIsCompared(t *testing.T) {
	other := func(value any) any {
		switch v := value.(type) {
		case float64:
			return v + 1
		case bool:
			return !v
		case string:
			return v + "x"
		}
		return []any{"fc.*"}
	}
	run, head := plain(training.Defaults().Record()).(map[string]any),
		plain(training.Defaults().HeadRecord()).(map[string]any)
	for _, of := range []map[string]any{run, head} {
		for name := range of {
			changed := maps.Clone(of)
			changed[name] = other(of[name])
			made := func(settings map[string]any) string {
				return model(t, func(m *modeldir.Model) {
					if m.Options = settings; len(of) == len(run) {
						m.Options = map[string]any{"finetune": settings}
					}
				})
			}
			c, err := Folders(t.Context(), made(of), made(changed))
			if err != nil {
				t.Fatal(err)
			}
			names := []string{}
			for _, d := range c.Settings.Differ {
				names = append(names, d.Name)
			}
			want := strings.ReplaceAll(strings.Replace(name, "head-only", "trainable", 1), "_", "-")
			if name != "solver" && !slices.Equal(names, []string{want}) {
				t.Errorf("%s: %v", name, c.Settings)
			}
		}
	}
}
