package classify

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/ort/orttest"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/random"
	"fx/internal/store"
	"fx/internal/testenv"
)

// photo is one photo of a store whose features nobody extracted.
type photo struct {
	split, class string
	kind         int    // what it shows: the class number that its features speak for
	content      string // "" is content of its own
}

func (p photo) path(i int) string {
	return filepath.ToSlash(filepath.Join(p.split, p.class, fmt.Sprintf("%03d.jpg", i)))
}

// storeOf fills a store with photos whose features scatter around (±1, ±1).
func storeOf(t *testing.T, photos []photo) string {
	t.Helper()
	return storeOfShape(t, []int{2}, photos)
}

// storeOfShape is storeOf with features of another shape: all of them scatter around 1 or -1.
func storeOfShape(t *testing.T, shape []int, photos []photo) string {
	t.Helper()
	dir, m := filepath.Join(t.TempDir(), "features"), manifest()
	m.FeatureShape = shape
	w, err := store.OpenForWriting(t.Context(), dir, m, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	entries := make([]store.Entry, len(photos))
	for i, p := range photos {
		entries[i] = store.Entry{Item: dataset.Item{Path: p.path(i), Rel: p.path(i), Split: p.split, Class: p.class,
			Label: slices.Index(m.Classes, p.class)}}
	}
	plan, err := w.Plan(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range plan.Chunks {
		var rows []store.Computed
		for _, job := range chunk.Jobs {
			p, place := photos[job.Entry], random.New(1, "photo", uint64(job.Entry))
			if p.content == "" {
				p.content = entries[job.Entry].Rel
			}
			embedding := make([]float32, m.Values())
			for i := range embedding {
				embedding[i] = float32(2*float64(p.kind) - 1 + 0.3*place.Normal())
			}
			rows = append(rows, store.Computed{
				Entry: job.Entry, Content: store.Content{SHA256: sha256.Sum256([]byte(p.content))},
				Embedding: embedding,
			})
		}
		if err := w.WriteChunk(chunk, rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fitted goes from a store as far as Quickstart does without a network.
func fitted(t *testing.T, features string, splits dataset.Splits) (*quickstart, error) {
	t.Helper()
	q := &quickstart{splits: splits, watch: progress.Discard}
	q.summary.Files = quickstartFilesIn(t.TempDir())
	q.summary.Files.Features = features
	var err error
	if q.features, err = store.Open(t.Context(), features, progress.Discard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.features.Close() })
	if err := q.choosePhotos(); err != nil {
		return q, err
	}
	return q, q.fit(t.Context())
}

// some returns n photos of each class.
func some(split string, n int) []photo {
	var photos []photo
	for kind, class := range manifest().Classes {
		for range n {
			photos = append(photos, photo{split: split, class: class, kind: kind})
		}
	}
	return photos
}

// Photos that lie in the wrong folder are found, in train and in val, and no others.
func TestQuickstartFindsWrongLabels(t *testing.T) {
	photos := append(some("train", 40), some("val", 20)...)
	var want []string
	for _, i := range []int{3, 17, 50, 85, 110} {
		photos[i].kind = 1 - photos[i].kind
		want = append(want, photos[i].path(i))
	}
	q, err := fitted(t, storeOf(t, photos), dataset.Splits{Train: "train", Val: "val"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range q.summary.Mislabelled {
		got = append(got, m.Path)
		if m.Class == m.Suggested || !strings.Contains(m.Path, m.Class) || m.Probability < 0.5 ||
			m.ProbabilityOfClass > 0.5 {
			t.Errorf("%+v", m)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || q.summary.MislabelledInAll != len(want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if j := q.summary.Evaluation; j.Photos != 40 || j.Right != 38 || j.Split != "val" || j.Folds != 0 {
		t.Errorf("evaluated %+v", j)
	}
}

// Without a val split each photo is evaluated unseen, and fx eval says the same later.
func TestQuickstartWithoutVal(t *testing.T) {
	photos := some("", 30)
	photos[7].kind = 1 // a wrong label can't be right unseen
	features := storeOf(t, photos)
	q, err := fitted(t, features, dataset.Splits{})
	if err != nil {
		t.Fatal(err)
	}
	j := q.summary.Evaluation
	if j.Photos != 60 || j.Right != 59 || j.Folds != 5 || j.Low > 59./60 || j.High < 59./60 {
		t.Errorf("evaluated %+v", j)
	}
	m, _, err := modeldir.Load(q.summary.Files.Model)
	if err != nil || m.Metrics.Folds != 5 || m.Metrics.BestValAccuracy != j.Accuracy || m.Metrics.ValPhotos != 60 {
		t.Errorf("metrics %+v, %v", m.Metrics, err)
	}
	r, err := EvaluateStore(t.Context(), q.summary.Files.Model, features, "")
	if err != nil || r.Photos != 60 || r.Accuracy != j.Accuracy || r.Loss != j.Loss ||
		fmt.Sprint(r.Confusion) != fmt.Sprint(j.Confusion) {
		t.Errorf("evaluated again: %+v, %v", r, err)
	}
}

// A convolutional head is trained by SGD and evaluated as a linear one is: on unseen photos, which choose no epoch.
func TestQuickstartWithAConvolution(t *testing.T) {
	photos := some("", 30)
	photos[7].kind = 1
	features := storeOfShape(t, []int{4, 2, 2}, photos)
	q, err := fitted(t, features, dataset.Splits{})
	if err != nil {
		t.Fatal(err)
	}
	s, j := q.summary, q.summary.Evaluation
	if j.Photos != 60 || j.Right < 55 || j.Folds != 5 || s.Solver != "sgd" || s.L2 != 0 ||
		len(s.CrossValidation.Path) != 1 || s.MislabelledInAll == 0 || s.Mislabelled[0].Path != photos[7].path(7) {
		t.Errorf("solver %s, L2 %g, evaluated %+v, wrong labels %+v", s.Solver, s.L2, j, s.Mislabelled)
	}
	r, err := EvaluateStore(t.Context(), s.Files.Model, features, "")
	if err != nil || r.Photos != 60 || r.Accuracy != j.Accuracy || r.Loss != j.Loss {
		t.Errorf("evaluated again: %d photos, accuracy %g, loss %g, %v", r.Photos, r.Accuracy, r.Loss, err)
	}
	features = storeOfShape(t, []int{4, 2, 2}, append(some("train", 30), some("val", 10)...))
	if q, err = fitted(t, features, dataset.Splits{Train: "train", Val: "val"}); err != nil {
		t.Fatal(err)
	}
	m, _, err := modeldir.Load(q.summary.Files.Model)
	if err != nil || m.Metrics.BestEpoch != len(m.Metrics.Epochs) || len(m.Metrics.Epochs) != head.Defaults().Epochs {
		t.Errorf("epoch %d of %d was kept, not the last; %v", m.Metrics.BestEpoch, len(m.Metrics.Epochs), err)
	}
}

// Copies of a photo neither flatter the classifier nor go unnoticed.
func TestQuickstartKnowsCopies(t *testing.T) {
	photos := append(some("train", 10), some("val", 5)...)
	photos[0].content, photos[20].content = "leak", "leak"                 // in train and val
	photos[5].content, photos[15].content = "both classes", "both classes" // ants and bees
	q, err := fitted(t, storeOf(t, photos), dataset.Splits{Train: "train", Val: "val"})
	if err != nil {
		t.Fatal(err)
	}
	s := q.summary
	if s.Leaked != 1 || s.Evaluation.Photos != 9 || s.Classes[0] != (QuickstartClass{"ants", 10, 4}) {
		t.Errorf("leaked %d, evaluated %d, classes %+v", s.Leaked, s.Evaluation.Photos, s.Classes)
	}
	if len(s.Twins) != 1 || s.Twins[0].Classes != [2]string{"ants", "bees"} ||
		s.Twins[0].Paths != [2]string{photos[5].path(5), photos[15].path(15)} {
		t.Errorf("twins %+v", s.Twins)
	}
	copies := some("", 10)
	for i := range 10 {
		copies[i].content = "one photo"
	}
	if _, err := fitted(t, storeOf(t, copies), dataset.Splits{}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "photos of ants to train on are copies of others, such as") {
		t.Errorf("a class of copies: %v", err)
	}
}

func TestJudgement(t *testing.T) {
	m := metrics.Evaluation{
		Accuracy: 0.6, Loss: 1, Confusion: [][]int{{2, 1}, {1, 1}},
		Classes: []metrics.Class{{Support: 3}, {Support: 2}},
	}
	for _, p := range []struct {
		label, class int
		probability  float64
	}{{0, 0, 0.9}, {0, 0, 0.95}, {0, 1, 0.7}, {1, 0, 0.69}, {1, 1, 1}} {
		m.Predictions = append(m.Predictions, metrics.Prediction{Label: p.label, Class: p.class,
			Probability: p.probability})
	}
	j := newQuickstartEvaluation(m, []string{"ants", "bees"}, []int{0, 1, 2, 3, 4})
	if got := fmt.Sprint(j.Confidence); got != "[{0.9 1 3 3} {0.7 0.9 1 0} {0 0.7 1 0}]" {
		t.Errorf("confidence %s", got)
	}
	if got := fmt.Sprint(j.Confused); got != "[{ants bees 1 3} {bees ants 1 2}]" || j.Right != 3 ||
		j.Commonest != "ants" || j.Baseline != 0.6 {
		t.Errorf("confused %s in %+v", got, j)
	}
	if got := fmt.Sprintf("%.3f", j.Stated); got != "0.848" {
		t.Errorf("stated %s", got)
	}
	if low, high := head.Wilson(3, 5); j.Distinct != 5 || j.DistinctRight != 3 || j.Low != low || j.High != high {
		t.Errorf("without copies %+v", j)
	}
	// The first two are copies; so are the last two, of which one label is wrong.
	j = newQuickstartEvaluation(m, []string{"ants", "bees"}, []int{0, 0, 2, 3, 3})
	if low, high := head.Wilson(2, 3); j.Photos != 5 || j.Right != 3 || j.Distinct != 3 || j.DistinctRight != 2 ||
		j.Low != low || j.High != high {
		t.Errorf("with copies %+v", j)
	}
}

func TestQuickstartOut(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		"photos": "photos-fx", "my/photos/": "my/photos-fx", "list.csv": "list.csv-fx", "../photos": "../photos-fx",
		".": here + "-fx",
	} {
		if got := quickstartOut(data); got != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
	}
}

func TestPercentIsNeverTooRound(t *testing.T) {
	for want, c := range map[string][2]int{
		"100 %": {7, 7}, "99.9 %": {9999, 10000}, "99.6 %": {249, 250}, "95 %": {146, 153}, "0.1 %": {1,
			10000}, "0 %": {0, 3},
	} {
		if got := percent(c[0], c[1]); got != want {
			t.Errorf("%v: %s, want %s", c, got, want)
		}
	}
}

// What a newcomer reads, each case by the sentence that only it has.
func TestQuickstartText(t *testing.T) {
	base := func() QuickstartSummary {
		return QuickstartSummary{
			TrainSplit: "train", Classes: []QuickstartClass{{"ants", 30, 25}, {"bees", 30, 25}},
			Evaluation: QuickstartEvaluation{
				Split: "val", Photos: 50, Right: 48, Accuracy: 0.96, Low: 0.865, High: 0.989, Baseline: 0.5,
				Commonest: "ants", Stated: 0.95,
				Confused:   []Confused{{"bees", "ants", 2, 25}},
				Confidence: []Confidence{{0.9, 1, 45, 44}, {0.7, 0.9, 5, 4}, {0, 0.7, 0, 0}},
			},
		}
	}
	for says, change := range map[string]func(*QuickstartSummary){
		"A classifier for ants and bees: right for 96 % of the " +
			"photos": func(*QuickstartSummary) {},
		"trained on the 60 photos in train/ and was tried on the 50 in val/: right for 48, wrong for " +
			"2": func(*QuickstartSummary) {},
		"right for 86 % to 99 % of " +
			"them": func(s *QuickstartSummary) {
			s.Evaluation.Low = 0.864
		},
		"80 of these 100 photos are copies: 20 differ, and it was right for 4 of them.": func(s *QuickstartSummary) {
			s.Evaluation.Photos, s.Evaluation.Distinct, s.Evaluation.DistinctRight = 100, 20, 4
		},
		"bees taken for ants: 2 of 25":           func(*QuickstartSummary) {},
		"90 % or more:   right in 44 of 45":      func(*QuickstartSummary) {},
		"70 to 90 %:     right in 4 of 5":        func(*QuickstartSummary) {},
		"less than 70 %: it said so of no photo": func(*QuickstartSummary) {},
		"claims 95 %, which fits":                func(*QuickstartSummary) {},
		"surer of itself than it should be: it claims 100 %": func(s *QuickstartSummary) {
			s.Evaluation.Stated = 0.999
		},
		"better than it says: it claims 70 %": func(s *QuickstartSummary) {
			s.Evaluation.Stated = 0.7
		},
		"tried on the 50 photos that it\n  learns from, in 5 rounds": func(s *QuickstartSummary) {
			s.Evaluation.Folds = 5
		},
		"so few photos say little": func(s *QuickstartSummary) { s.Evaluation.Low = 0.7 },
		"it may be no better than that": func(s *QuickstartSummary) {
			s.Evaluation.Baseline = 0.9
		},
		"The class bees has only 5 photos": func(s *QuickstartSummary) {
			s.Classes[1].Train = 5
		},
		"has learned nothing: the weights are noise": func(s *QuickstartSummary) { // whatever the words
			s.Untrained = "the weights are noise"
			s.Notes = []string{s.Untrained}
		},
		"a.jpg  looks like bees (97 %)": func(s *QuickstartSummary) {
			s.Mislabelled, s.MislabelledInAll = []Mislabelled{{Path: "a.jpg", Suggested: "bees", Probability: 0.97}}, 1
		},
		"The 1 most likely of 3:": func(s *QuickstartSummary) {
			s.Mislabelled, s.MislabelledInAll = make([]Mislabelled, 1), 3
		},
		"x.jpg and y.jpg are the same photo": func(s *QuickstartSummary) {
			s.Twins = []Twin{{Paths: [2]string{"x.jpg", "y.jpg"}}}
		},
		"1 photo to try it on: the same photo is among": func(s *QuickstartSummary) { s.Leaked = 1 },
		"fx predict --model 'my photos/model' PHOTO": func(s *QuickstartSummary) {
			s.Files.Model = "my photos/model"
		},
	} {
		var before, after strings.Builder
		s := base()
		s.Text(&before)
		change(&s)
		s.Text(&after)
		if !strings.Contains(after.String(), says) {
			t.Errorf("%q is not said:\n%s", says, after.String())
		}
		if before.String() != after.String() && strings.Contains(before.String(), says) {
			t.Errorf("%q is always said", says)
		}
	}
}

// The whole way on the tutorial's photos with trained weights, with photos put
// into the wrong folder: most are found, and hardly any other.
func TestQuickstartOnTheTutorialsPhotos(t *testing.T) {
	data := testenv.PhotosDir(t)
	orttest.Library(t)
	weights, err := paths.Cache("weights", "efficientnet-lite0-57934424.pth")
	if _, statErr := os.Stat(weights); err != nil || statErr != nil {
		testenv.Lacks(t, testenv.Pulled,
			"needs efficientnet_lite0's weights in fx's cache (fx backbones pull efficientnet_lite0)")
	}
	photos, wrong := filepath.Join(t.TempDir(), "photos"), map[string]bool{}
	for _, class := range []string{"ants", "bees"} {
		names, err := filepath.Glob(filepath.Join(data, "train", class, "*.jpg"))
		if err != nil || len(names) < 100 {
			t.Fatalf("FX_DATA_DIR does not hold the tutorial's photos: %d of %s", len(names), class)
		}
		for i, name := range names {
			folder := class
			if i%20 == 0 { // one in twenty
				folder = map[string]string{"ants": "bees", "bees": "ants"}[class]
				wrong[folder+"/"+filepath.Base(name)] = true
			}
			if err := os.MkdirAll(filepath.Join(photos, folder), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(name, filepath.Join(photos, folder, filepath.Base(name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := Quickstart(t.Context(), QuickstartOptions{Data: photos}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	for _, m := range s.Mislabelled {
		if wrong[m.Path] {
			hits++
		}
	}
	t.Logf("%d photos in the wrong folder: %d listed, %d of them rightly; accuracy unseen %.4f", len(wrong),
		len(s.Mislabelled), hits, s.Evaluation.Accuracy)
	if 10*hits < 6*len(wrong) || 10*hits < 8*len(s.Mislabelled) {
		t.Errorf("too few found, or too many others: %+v", s.Mislabelled)
	}
	if s.Evaluation.Accuracy < 0.88 || s.Evaluation.Accuracy > 0.97 {
		t.Errorf("accuracy %g with one label in twenty wrong", s.Evaluation.Accuracy)
	}
	var written QuickstartSummary
	text, err := os.ReadFile(s.Files.JSON)
	if err != nil || json.Unmarshal(text, &written) != nil || written.Evaluation.Right != s.Evaluation.Right {
		t.Errorf("%s: %v", s.Files.JSON, err)
	}
}
