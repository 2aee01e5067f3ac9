package report

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/internal/version"
	"fx/report/page"
)

func gathered(t *testing.T, o Options) page.Page {
	t.Helper()
	p, err := gather(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Runs that differ by their seed are one line of the table; each is evaluated on
// the val photos, which are in the page once.
func TestGatherHeads(t *testing.T) {
	w := newWorkshop(t)
	p := gathered(t, Options{Runs: []string{w.a, w.b, filepath.Join(w.dir, ".", "a")}})
	if len(p.Runs) != 2 || len(p.Groups) != 1 {
		t.Fatalf("%d runs in %d groups", len(p.Runs), len(p.Groups))
	}
	g := p.Groups[0]
	if g.Mode.Key != modeldir.FeatureExtraction || g.Accuracy.N != 2 || g.Parameters != 8 || g.Detail != "" ||
		g.Weights != "w" || g.Seeded {
		t.Errorf("the group %+v", g)
	}
	for i, r := range p.Runs {
		j := r.Evaluation
		if j == nil {
			t.Fatalf("run %s is not evaluated: %s", r.Name, r.Missing)
		}
		// One photo of each class lies on the other's side.
		if j.Photos != 8 || j.Split != "val" || j.Wrong != 2 || j.Accuracy != 0.75 || r.BestValAccuracy != 0.75 {
			t.Errorf("run %d: %+v", i, j)
		}
		var names []string
		for _, m := range j.Mistakes {
			names = append(names, p.Photos[m.Photo].Name)
			if m.Label == m.Class || m.Probability <= 0.5 {
				t.Errorf("run %d: no mistake: %+v", i, m)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"val/ants/0.png", "val/bees/0.png"}) {
			t.Errorf("run %d: the mistakes are %v", i, names)
		}
		if j.Map == nil || len(j.Map.Points) != 8 || j.Map.Of != 8 {
			t.Errorf("run %d: the map %+v", i, j.Map)
		}
	}
	if len(p.Photos) != 8 {
		t.Errorf("%d photos in the page", len(p.Photos))
	}
	for _, photo := range p.Photos {
		if len(photo.JPEG) == 0 {
			t.Errorf("%s has no thumbnail", photo.Name)
		}
	}
	if len(p.Notes) != 0 {
		t.Errorf("notes %q", p.Notes)
	}
	if want := "2 trainings of 1 network to tell ants from bees, with 8 photos each."; !strings.HasPrefix(p.Summary,
		want) || !strings.Contains(p.Summary, "is right on 6 of 8 photos") {
		t.Errorf("the summary %q", p.Summary)
	}
}

// What differs apart from the seed is another line, which says what it is.
func TestGatherOtherSettings(t *testing.T) {
	w := newWorkshop(t)
	other := filepath.Join(w.dir, "other")
	if err := makeHead(other, w.features, 0, 0.25); err != nil {
		t.Fatal(err)
	}
	p := gathered(t, Options{Runs: []string{w.a, w.b, other}})
	if len(p.Groups) != 2 || p.Groups[0].Detail != "lr 0.5" || p.Groups[1].Detail != "lr 0.25" ||
		p.Groups[0].Accuracy.N != 2 {
		t.Errorf("groups %+v", p.Groups)
	}
	want := page.Difference{Name: "lr",
		Values: []page.Variant{{Value: "0.5", Runs: []string{"none feature extraction, lr 0.5"}},
			{Value: "0.25", Runs: []string{"other"}}}}
	if len(p.Differ) != 1 || !slices.EqualFunc(p.Differ[0].Values, want.Values, func(a, b page.Variant) bool {
		return a.Value == b.Value && slices.Equal(a.Runs, b.Runs)
	}) {
		t.Errorf("what differs: %+v", p.Differ)
	}
	shared := map[string]string{}
	for _, s := range p.Shared {
		shared[s.Name] = s.Value
	}
	if shared["batch-size"] != "8" || shared["photos"] != "8 to train on, 8 to evaluate on" ||
		shared["weights (SHA-256)"] != "w" || shared["epochs"] != "4" {
		t.Errorf("shared %v", shared)
	}
}

// A network that was trained itself, and whose photos are gone, is in the table and says why it is not evaluated.
func TestGatherRunWithoutPhotos(t *testing.T) {
	w := newWorkshop(t)
	scratch, gone := filepath.Join(w.dir, "scratch"), filepath.Join(w.dir, "gone")
	if err := makeRun(scratch, gone, modeldir.Model{Mode: modeldir.Scratch,
		Options: map[string]any{"finetune": map[string]any{"scratch": true}},
		Notes:   []string{"the weights are random numbers of seed 0, not trained"}}, "initial weights of seed "+
		"0"); err != nil {
		t.Fatal(err)
	}
	p := gathered(t, Options{Runs: []string{scratch, w.a}})
	if p.Groups[0].Mode.Key != modeldir.FeatureExtraction || p.Groups[1].Mode.Key != modeldir.Scratch ||
		p.Groups[1].Weights != "random" || p.Groups[1].Seeded {
		t.Errorf("groups %+v", p.Groups)
	}
	r := p.Runs[0]
	if r.Evaluation != nil || !strings.Contains(r.Missing, gone) {
		t.Errorf("evaluated %+v, missing %q", r.Evaluation, r.Missing)
	}
	if p.Best != 1 || p.Runs[1].Evaluation == nil {
		t.Errorf("the best is run %d, evaluated %+v", p.Best, p.Runs[1].Evaluation)
	}
	notes := strings.Join(p.Notes, "\n")
	if !strings.Contains(notes, "scratch is shown without its photos") ||
		!strings.Contains(notes, "none from scratch: the weights are random numbers of seed 0") {
		t.Errorf("notes %s", notes)
	}
	if !strings.Contains(p.Summary,
		"Started from pretrained weights, none reaches 75.0\u00a0%; from random ones, 50.0\u00a0%.") {
		t.Errorf("the summary %q", p.Summary)
	}
}

// Photos that moved are found by Options.Data; one that changed has no thumbnail, and the page says so.
func TestGatherMovedAndChangedPhotos(t *testing.T) {
	w := newWorkshop(t)
	moved := filepath.Join(w.dir, "moved")
	if err := os.Rename(w.data, moved); err != nil {
		t.Fatal(err)
	}
	thumbnails := func(p page.Page) int {
		n := 0
		for _, photo := range p.Photos {
			if photo.JPEG != nil {
				n++
			}
		}
		return n
	}
	p := gathered(t, Options{Runs: []string{w.a}})
	if p.Runs[0].Evaluation == nil || thumbnails(p) != 0 ||
		!strings.Contains(strings.Join(p.Notes, "\n"), "8 photos have no thumbnail") {
		t.Errorf("%d thumbnails of photos that are gone; notes %q", thumbnails(p), p.Notes)
	}
	other, err := os.ReadFile(filepath.Join(moved, "train", "ants", "0.png"))
	if err == nil {
		err = os.WriteFile(filepath.Join(moved, "val", "ants", "2.png"), other, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	p = gathered(t, Options{Runs: []string{w.a}, Data: moved})
	if thumbnails(p) != 7 || !strings.Contains(strings.Join(p.Notes, "\n"), "1 photos have no thumbnail") {
		t.Errorf("%d thumbnails; notes %q", thumbnails(p), p.Notes)
	}
}

func TestGatherExperiment(t *testing.T) {
	w := newWorkshop(t)
	p := gathered(t, Options{Runs: []string{w.experiment(t, false), w.a}})
	if p.Title != "A quick look" || len(p.Runs) != 1 || p.Runs[0].Name != "first" {
		t.Fatalf("title %q, runs %+v", p.Title, p.Runs)
	}
	g := p.Groups[0]
	if g.Seconds != 42 || g.ImagesPerSecond != 7 || len(g.References) != 1 || g.References[0].Network != "sister" ||
		g.References[0].BestValAccuracy != 0.9346 {
		t.Errorf("group %+v", g)
	}
	notes := strings.Join(p.Notes, "\n")
	if !strings.Contains(notes, "1 of the 2 runs of quick are not finished and not shown: second") ||
		!strings.Contains(notes, "a note of the experiment") {
		t.Errorf("notes %s", notes)
	}
	if !slices.Contains(p.Versions, page.Setting{Name: "machine", Value: "a machine"}) ||
		!slices.Contains(p.Versions, page.Setting{Name: "fx of this report", Value: version.String()}) {
		t.Errorf("versions %+v", p.Versions)
	}
}

// A run of random weights is marked, told of in the summary, and not the one shown first.
func TestGatherSeededWeights(t *testing.T) {
	w := newWorkshop(t)
	worse := filepath.Join(w.dir, "worse")
	if err := makeRun(worse, w.data, modeldir.Model{Mode: modeldir.Finetune,
		Options: map[string]any{"finetune": map[string]any{}}}, "/weights/none.safetensors"); err != nil {
		t.Fatal(err)
	}
	p := gathered(t, Options{Runs: []string{w.experiment(t, true), worse}})
	if !p.Runs[0].Seeded || p.Runs[0].Weights != "seed:0, not trained" || p.Runs[1].Seeded ||
		p.Runs[1].Weights != "none" {
		t.Errorf("runs %+v", p.Runs)
	}
	if p.Best != 1 || p.Runs[0].BestValAccuracy <= p.Runs[1].BestValAccuracy {
		t.Errorf("run %d is shown first", p.Best)
	}
	if !strings.Contains(p.Summary, "The pretrained weights of none were not at hand") {
		t.Errorf("the summary %q", p.Summary)
	}
	if label := p.Groups[0].Label(); label != "feature extraction (weights seed:0, not trained)" {
		t.Errorf("the label %q", label)
	}
}

func TestModesOfOlderModels(t *testing.T) {
	for want, m := range map[string]modeldir.Model{
		"feature-extraction": {Options: map[string]any{"solver": "sgd"}},
		"finetune": {Options: map[string]any{"finetune": map[string]any{"scratch": false,
			"head-only": false}}},
		"scratch": {Options: map[string]any{"finetune": map[string]any{"scratch": true}}},
		"named":   {Mode: "named", Options: map[string]any{"finetune": map[string]any{}}},
	} {
		if got := (&run{model: m}).mode(); got != want {
			t.Errorf("%v is %s, want %s", m.Options, got, want)
		}
	}
	head := modeldir.Model{Options: map[string]any{"finetune": map[string]any{"head-only": true}}}
	if got := (&run{model: head}).mode(); got != modeldir.FeatureExtraction {
		t.Errorf("a run of the head alone is %s", got)
	}
}

func TestFoldersThatAreNoRuns(t *testing.T) {
	w := newWorkshop(t)
	unfinished, empty := filepath.Join(w.dir, "unfinished"), t.TempDir()
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(unfinished, "run.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		runs []string
		says string
	}{
		"none":         {nil, "no run"},
		"gone":         {[]string{filepath.Join(w.dir, "nowhere")}, "nowhere"},
		"a file":       {[]string{filepath.Join(w.a, "model.json")}, "is a file"},
		"a store":      {[]string{w.features}, "is an embedding store"},
		"not finished": {[]string{w.a, unfinished}, "is not finished"},
		"empty":        {[]string{empty}, "is no run"},
	} {
		_, err := gather(t.Context(), Options{Runs: c.runs}, progress.Discard)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.says) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGatherEndsWhenInterrupted(t *testing.T) {
	w := newWorkshop(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gather(ctx, Options{Runs: []string{w.a}}, progress.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A curve of thousands of iterations keeps its first, best and last point.
func TestLongCurvesAreThinned(t *testing.T) {
	m := modeldir.Model{Metrics: modeldir.Metrics{BestEpoch: 777}}
	for e := 1; e <= 5001; e++ {
		m.Metrics.Epochs = append(m.Metrics.Epochs, metrics.Epoch{Epoch: e})
	}
	kept := (&run{model: m}).epochs()
	has := func(number int) bool {
		return slices.ContainsFunc(kept, func(e metrics.Epoch) bool { return e.Epoch == number })
	}
	if len(kept) > maxEpochs+2 || len(kept) < maxEpochs-10 || !has(1) || !has(777) || !has(5001) {
		t.Errorf("%d points are kept", len(kept))
	}
	m.Metrics.Epochs = m.Metrics.Epochs[:maxEpochs]
	if kept := (&run{model: m}).epochs(); len(kept) != maxEpochs {
		t.Errorf("%d of %d points are kept", len(kept), maxEpochs)
	}
}

// Of many photos an even sample goes onto the map, with the mistakes that are listed.
func TestChosenPhotos(t *testing.T) {
	e := metrics.Evaluation{Predictions: make([]metrics.Prediction, 5000)}
	for i := range e.Predictions {
		e.Predictions[i].Photo = i
	}
	for i := 4000; i < 4100; i++ {
		e.Predictions[i].Class, e.Predictions[i].Probability = 1, float64(i)/5000
	}
	picked := chosen(e)
	if len(picked) > maxPoints || len(picked) < maxPoints-maxMistakes || !slices.IsSorted(picked) ||
		!slices.Contains(picked, 4099) {
		t.Errorf("%d picked", len(picked))
	}
	for i := 1; i < len(picked); i++ {
		if gap := picked[i] - picked[i-1]; gap > 9 || gap < 1 {
			t.Fatalf("a gap of %d after %d", gap, picked[i-1])
		}
	}
	e.Predictions = e.Predictions[:10]
	if few := chosen(e); len(few) != 10 {
		t.Errorf("%d of 10 are picked", len(few))
	}
}

// Thumbnails go to the mistakes of every run first.
func TestAlbumChooses(t *testing.T) {
	a := newThumbnails()
	for i := range 100 {
		if at := a.add(source{data: "data"}, "name", store.SHA256{byte(i)}); at != i {
			t.Fatalf("photo %d is number %d", i, at)
		}
	}
	if at := a.add(source{data: "other"}, "again", store.SHA256{42}); at != 42 {
		t.Errorf("the same photo elsewhere is number %d", at)
	}
	runs := []*run{{}, {}}
	runs[1].shown.Evaluation = &page.Evaluation{Mistakes: []page.Point{{Prediction: metrics.Prediction{Photo: 99}},
		{Prediction: metrics.Prediction{Photo: 7}}}}
	if left := a.choose(runs, 10); left != 90 {
		t.Errorf("%d are left", left)
	}
	count := 0
	for _, p := range a.photos {
		if p.shown {
			count++
		}
	}
	if count != 10 || !a.photos[99].shown || !a.photos[7].shown || !a.photos[0].shown {
		t.Errorf("%d are chosen", count)
	}
}

func TestSettingsInWords(t *testing.T) {
	var values []any
	if err := json.Unmarshal([]byte(`[null, "", "sgd", true, 0.001, 15, ["a", "b"], {"x": 1}]`), &values); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "", "sgd", "yes", "0.001", "15", "a, b", `{"x":1}`} {
		if got := inWords(values[i]); got != want {
			t.Errorf("%v is %q, want %q", values[i], got, want)
		}
	}
	if got := inWords(strings.Repeat("é", 500)); len([]rune(got)) != longestSetting {
		t.Errorf("%d letters", len([]rune(got)))
	}
}

// A file whose metadata says that its weights are random is marked by the MODEL's
// field, whatever the notes say.
func TestGatherUntrainedWeights(t *testing.T) {
	w := newWorkshop(t)
	tuned := map[string]any{"finetune": map[string]any{}}
	noise, named := filepath.Join(w.dir, "noise"), filepath.Join(w.dir, "named")
	for dir, m := range map[string]modeldir.Model{
		noise: {Mode: modeldir.Finetune, Options: tuned, Notes: []string{"the weights are noise"},
			Untrained: "the weights are noise"},
		named: {Mode: modeldir.Finetune, Options: tuned,
			Notes: []string{"not trained.onnx does not say how its images are normalised"}},
	} {
		if err := makeRun(dir, w.data, m, "/weights/start.safetensors"); err != nil {
			t.Fatal(err)
		}
	}
	p := gathered(t, Options{Runs: []string{noise, named}})
	if r := p.Runs[0]; !r.Seeded || r.Weights != "start, not trained" {
		t.Errorf("random weights: %q, marked %v", r.Weights, r.Seeded)
	}
	if r := p.Runs[1]; r.Seeded || r.Weights != "start" {
		t.Errorf("a file called \"not trained\": %q, marked %v", r.Weights, r.Seeded)
	}
}
