package classify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/extract"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/internal/training"
	"fx/internal/weights"
)

// manifest describes features of two values that no network made.
func manifest() store.Manifest {
	return store.Manifest{
		Backbone: "none", GraphSHA256: "g", Weights: "w", WeightsSHA256: "w", Preprocess: preprocess.ImageNet(224, 224),
		EXIF: "ignore", Decoder: "go image/jpeg", Compute: store.Compute{Provider: "CPUExecutionProvider",
			Precision: store.Float32}, DType: store.Float32,
		FeatureShape: []int{2}, Classes: []string{"ants", "bees"},
		Made: store.Provenance{Notes: []string{"the features are made up"}},
	}
}

// makeStore fills dir with n photos of each class in each split: ants lie at
// (-1, k), bees at (1, k).
func makeStore(dir string, m store.Manifest, n int, splits ...string) error {
	ctx := context.Background()
	w, err := store.OpenForWriting(ctx, dir, m, store.WriteOptions{})
	if err != nil {
		return err
	}
	defer w.Close()
	var entries []store.Entry
	for _, split := range splits {
		for label, class := range m.Classes {
			for k := range n {
				rel := filepath.Join(split, class, fmt.Sprintf("%d.jpg", k))
				entries = append(entries,
					store.Entry{Item: dataset.Item{Path: rel, Rel: rel, Split: split, Class: class, Label: label}})
			}
		}
	}
	plan, err := w.Plan(ctx, entries)
	if err != nil {
		return err
	}
	for _, chunk := range plan.Chunks {
		var rows []store.Computed
		for _, job := range chunk.Jobs {
			e := entries[job.Entry]
			rows = append(rows, store.Computed{
				Entry: job.Entry, Content: store.Content{SHA256: sha256.Sum256([]byte(e.Rel))},
				Embedding: []float32{float32(2*e.Label - 1), float32(job.Entry % n)},
			})
		}
		if err := w.WriteChunk(chunk, rows); err != nil {
			return err
		}
	}
	_, err = w.Finish(ctx)
	return err
}

func fitOptions(features, out string) FitOptions {
	o := FitOptions{Settings: training.Defaults(), Features: features, Out: out}
	o.LR = 0.1
	return o
}

func newStore(t *testing.T, m store.Manifest, splits ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := makeStore(dir, m, 10, splits...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFitAndEvaluate(t *testing.T) {
	features, model := newStore(t, manifest(), "train", "val"), filepath.Join(t.TempDir(), "model")
	fitted, err := Fit(t.Context(), fitOptions(features, model), nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if fitted.BestValAccuracy != 1 || fitted.TrainPhotos != 20 || fitted.ValPhotos != 20 ||
		len(fitted.Epochs) != 15 || fitted.ParametersTrained != 6 {
		t.Errorf("fitted %+v", fitted)
	}
	m, _, err := modeldir.Load(model)
	if err != nil {
		t.Fatal(err)
	}
	if m.Metrics.ValSplit != "val" || m.Backbone.WeightsSHA256 != "w" || len(m.Notes) != 1 {
		t.Errorf("model %+v", m)
	}
	r, err := EvaluateStore(t.Context(), model, features, "")
	if err != nil || r.Accuracy != 1 || r.Photos != 20 || r.Split != "val" || r.Confusion[0][0] != 10 ||
		len(r.Mistakes) != 0 || len(r.Notes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	picture := filepath.Join(t.TempDir(), "report.png")
	if err := writePicture(picture, model, r); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
		t.Errorf("picture %v, %v", info, err)
	}
}

// Every photo's prediction, and the features of those that are chosen.
func TestEvaluatePhotos(t *testing.T) {
	features, model := newStore(t, manifest(), "train", "val"), filepath.Join(t.TempDir(), "model")
	if _, err := Fit(t.Context(), fitOptions(features, model), nil, progress.Discard); err != nil {
		t.Fatal(err)
	}
	e, photos, err := EvaluatePhotos(t.Context(), model, features, func(e metrics.Evaluation) []int {
		return []int{3, len(e.Predictions) - 1}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(photos) != 20 || e.Accuracy != 1 || e.Split != "val" {
		t.Errorf("%d predictions, %+v", len(photos), e)
	}
	for i, p := range photos {
		if p.Class != p.Label || p.Label != i/10 || p.Probability <= 0.5 ||
			!strings.HasPrefix(p.Path, filepath.Join("val", manifest().Classes[p.Label])) {
			t.Errorf("prediction %d: %+v", i, p)
		}
		if want := i == 3 || i == 19; (p.Features != nil) != want {
			t.Errorf("prediction %d has features %v", i, p.Features)
		}
	}
	if f := photos[3].Features; len(f) != 2 || f[0] != -1 || f[1] != 3 {
		t.Errorf("the features %v", f)
	}
}

func TestMapsAreAveraged(t *testing.T) {
	if got := averaged([]float32{1, 2, 3, 10, 20, 30}, 2, 3); got[0] != 2 || got[1] != 20 {
		t.Errorf("%v", got)
	}
}

func TestClassesAreMatchedByName(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	if _, err := Fit(t.Context(), fitOptions(newStore(t, manifest(), "train", "val"), model), nil,
		progress.Discard); err != nil {
		t.Fatal(err)
	}
	swapped := manifest()
	swapped.Classes = []string{"bees", "ants"} // so every photo is called what it is not
	r, err := EvaluateStore(t.Context(), model, newStore(t, swapped, "val"), "")
	if err != nil || r.Accuracy != 0 || len(r.Mistakes) != 20 || r.Mistakes[0].Class == r.Mistakes[0].Predicted {
		t.Errorf("%+v, %v", r, err)
	}
	other := manifest()
	other.Classes = []string{"ants", "wasps"}
	if _, err := EvaluateStore(t.Context(), model, newStore(t, other, "val"), ""); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "wasps") {
		t.Errorf("an unknown class: %v", err)
	}
}

// A folder with a class that the MODEL lacks is refused before the network, which this machine lacks, is looked for.
func TestUnknownClassOfAFolder(t *testing.T) {
	model, data := filepath.Join(t.TempDir(), "model"), t.TempDir()
	if _, err := Fit(t.Context(), fitOptions(newStore(t, manifest(), "train", "val"), model), nil,
		progress.Discard); err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"ants", "wasps"} {
		dir := filepath.Join(data, "val", class)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "photo.jpg"), []byte("not opened"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := EvaluateData(t.Context(), Options{Model: model}, data, "", progress.Discard)
	if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), `does not know the class "wasps"`) {
		t.Errorf("%v", err)
	}
}

func TestSplitsAreChosen(t *testing.T) {
	both, plain, tested := newStore(t, manifest(), "train", "val"), newStore(t, manifest(), ""), newStore(t,
		manifest(), "train", "test")
	for name, c := range map[string]struct {
		features string
		change   func(*FitOptions)
		val      string
		train    int
		says     string
	}{
		"train and val":          {both, func(*FitOptions) {}, "val", 20, ""},
		"test stands in for val": {tested, func(*FitOptions) {}, "test", 20, ""},
		"a fraction":             {plain, func(o *FitOptions) { o.ValFraction = 0.2 }, "0.2 of the photos", 16, ""},
		"named the other way": {both, func(o *FitOptions) {
			o.TrainSplit, o.ValSplit = "val", "train"
		}, "train", 20, ""},
		"no val":        {plain, func(*FitOptions) {}, "", 0, "no split to evaluate on"},
		"unknown train": {both, func(o *FitOptions) { o.TrainSplit = "trian" }, "", 0, `no split "trian"`},
		"the same for both": {both, func(o *FitOptions) {
			o.ValSplit = "train"
		}, "", 0, "both trained on and evaluated on"},
		"fraction and split": {both, func(o *FitOptions) {
			o.ValSplit, o.ValFraction = "val", 0.2
		}, "", 0, "together"},
		"a fraction of one": {both, func(o *FitOptions) { o.ValFraction = 1 }, "", 0, "fraction"},
		"unknown class weights": {both, func(o *FitOptions) {
			o.ClassWeights = "some"
		}, "", 0, "--class-weights some"},
		"balanced, though it was": {both, func(o *FitOptions) { o.ClassWeights = "auto" }, "val", 20, ""},
	} {
		o := fitOptions(c.features, filepath.Join(t.TempDir(), "model"))
		c.change(&o)
		fitted, err := Fit(t.Context(), o, nil, progress.Discard)
		if c.says != "" {
			if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m, _, err := modeldir.Load(o.Out)
		if err != nil || m.Metrics.ValSplit != c.val || fitted.TrainPhotos != c.train {
			t.Errorf("%s: val split %q, %d train photos, %v", name, m.Metrics.ValSplit, fitted.TrainPhotos, err)
		}
	}
}

// What a model is evaluated on without a word must not be what it was trained on.
func TestHeldOutPhotosAreDrawnAgain(t *testing.T) {
	m := manifest()
	features, model := newStore(t, m, "train"), filepath.Join(t.TempDir(), "model")
	o := fitOptions(features, model)
	o.ValFraction, o.Seed = 0.3, 5
	fitted, err := Fit(t.Context(), o, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := EvaluateStore(t.Context(), model, features, "")
	if err != nil || r.Photos != fitted.ValPhotos || r.Accuracy != fitted.BestValAccuracy ||
		r.Split != "0.3 of train" || len(r.Notes) != len(m.Made.Notes) {
		t.Errorf("%+v, %v; fitted %+v", r, err, fitted)
	}
	r, err = EvaluateStore(t.Context(), model, features, "train")
	if err != nil || r.Photos != 20 || !strings.Contains(strings.Join(r.Notes, " "), "was trained on") {
		t.Errorf("asked for the training photos: %+v, %v", r, err)
	}
}

func TestADamagedStoreIsNotTrainedOn(t *testing.T) {
	features := newStore(t, manifest(), "train", "val")
	shard := filepath.Join(features, "shard-00000.arrow")
	content, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(content), "\x00\x00\x80\xbf") // the last -1 among the embeddings
	content[at] ^= 1
	if err := os.WriteFile(shard, content, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Fit(t.Context(), fitOptions(features, filepath.Join(t.TempDir(), "model")), nil, progress.Discard)
	if fail.KindOf(err) != fail.Store {
		t.Errorf("a flipped bit: %v", err)
	}
	if err := os.Remove(shard); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), features, progress.Discard); fail.KindOf(err) != fail.Store ||
		!strings.Contains(err.Error(), "shard-00000.arrow") {
		t.Errorf("a lost shard: %v", err)
	}
}

func TestAStoreOfAnotherNetworkIsRefused(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	if _, err := Fit(t.Context(), fitOptions(newStore(t, manifest(), "train", "val"), model), nil,
		progress.Discard); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*store.Manifest){
		"backbone":      func(m *store.Manifest) { m.GraphSHA256 = "h" },
		"weights w":     func(m *store.Manifest) { m.WeightsSHA256 = "v" },
		"preprocessing": func(m *store.Manifest) { m.Preprocess.Resize = 256 },
		"both sides":    func(m *store.Manifest) { m.Preprocess.Mode = preprocess.Squash },
	} {
		m := manifest()
		change(&m)
		_, err := EvaluateStore(t.Context(), model, newStore(t, m, "val"), "")
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestPredictNeedsPhotos(t *testing.T) {
	empty := t.TempDir()
	for name, paths := range map[string][]string{"no path": nil, "an empty folder": {empty}} {
		_, err := Predict(t.Context(), Options{Model: empty}, paths, 1, progress.Discard)
		if fail.KindOf(err) != fail.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Predict(t.Context(), Options{Model: empty}, []string{"a.jpg"}, 0,
		progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("top 0: %v", err)
	}
}

// The backbone is found by hash: weights that changed since the training are not taken.
func TestChangedWeightsAreRefused(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model")
	m := modeldir.Model{
		Backbone: modeldir.Backbone{Name: "squeezenet1_1", Weights: weights.Seed(1),
			WeightsSHA256: "not that of seed 1"},
		Preprocess: preprocess.ImageNet(224, 224), Classes: []string{"ants", "bees"},
		Head: modeldir.Head{Layout: headspec.Layout{Kind: "linear", Features: 1, Positions: 1},
			WeightName: "w", BiasName: "b", FeatureShape: []int{1}},
	}
	if err := modeldir.Save(model, m, headspec.Params{Weight: []float32{1, 2}, Bias: []float32{0, 0}}); err != nil {
		t.Fatal(err)
	}
	_, err := Export(t.Context(), Options{Model: model, Embedder: extract.EmbedderOptions{}},
		filepath.Join(t.TempDir(), "c.onnx"), false, progress.Discard)
	if fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), "not what the model was trained on") {
		t.Errorf("%v", err)
	}
}

func ExampleFit() {
	dir, err := os.MkdirTemp("", "classify")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	features, model := filepath.Join(dir, "features"), filepath.Join(dir, "model")
	if err := makeStore(features, manifest(), 10, "train", "val"); err != nil { // `fx extract` does this
		panic(err)
	}
	fitted, err := Fit(context.Background(), fitOptions(features, model), nil, progress.Discard)
	if err != nil {
		panic(err)
	}
	evaluated, err := EvaluateStore(context.Background(), model, features, "val")
	fmt.Println(fitted.BestValAccuracy, evaluated.Confusion, err)
	// Output: 1 [[10 0] [0 10]] <nil>
}
