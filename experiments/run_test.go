package experiments

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/environment"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
)

// quick is a matrix of six runs that takes seconds.
const quick = `
format: 1
name: quick
data: photos
backbones: [{name: squeezenet1_1, weights: seed:0}]
modes: [feature-extraction, finetune, scratch]
seeds: [0, 1]
settings: {epochs: 2, batch-size: 4, resize: 48, crop: 48, views: 1}
`

// scene is a folder with photos and an experiment file.
type scene struct {
	t   *testing.T
	dir string
}

func newScene(t *testing.T, text string) scene {
	t.Helper()
	orttest.Library(t)
	s := scene{t, t.TempDir()}
	for _, folder := range []string{"train/blue", "train/red", "val/blue", "val/red"} {
		for n := range 4 {
			s.photo(filepath.Join(folder, fmt.Sprintf("%d.jpg", n)), n)
		}
	}
	s.write(text)
	return s
}

func (s scene) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "quick.yaml"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// photo draws noise, reddish in a folder called red.
func (s scene) photo(name string, seed int) {
	s.t.Helper()
	path := filepath.Join(s.dir, "photos", name)
	stream := random.New(uint64(seed), filepath.Dir(name))
	picture := image.NewRGBA(image.Rect(0, 0, 50, 48))
	for i := range 50 * 48 {
		c := color.RGBA{uint8(stream.IntN(100)), uint8(stream.IntN(200)), uint8(100 + stream.IntN(150)), 255}
		if strings.Contains(name, "red") {
			c.R, c.B = c.B, c.R
		}
		picture.Set(i%50, i/50, c)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(jpeg.Encode(f, picture, nil), f.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s scene) options() Options {
	return Options{Environment: environment.Environment{Device: ort.CPU}, Out: filepath.Join(s.dir, "out")}
}

func (s scene) open() *File {
	s.t.Helper()
	file, err := Open(s.t.Context(), filepath.Join(s.dir, "quick.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	return file
}

// run runs the experiment and returns which runs it worked on.
func (s scene) run() (experimentdir.Experiment, []string) {
	s.t.Helper()
	var at worked
	e, err := Run(context.Background(), s.open(), s.options(), &at)
	if err != nil {
		s.t.Fatal(err)
	}
	return e, at.runs
}

// worked notes the runs that stages belong to.
type worked struct {
	mu   sync.Mutex
	runs []string
}

func (w *worked) Begin(stage string, _ int64, _ string) progress.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, rest, found := strings.Cut(stage, "/"); found {
		_, name, _ := strings.Cut(rest, " ")
		name, _, _ = strings.Cut(name, " ")
		if len(w.runs) == 0 || w.runs[len(w.runs)-1] != name {
			w.runs = append(w.runs, name)
		}
	}
	return progress.Discard.Begin("", 0, "")
}

func (*worked) Note(string) {}

func TestNothingIsDoneTwice(t *testing.T) {
	s := newScene(t, quick)
	e, at := s.run()
	if len(at) != 6 || len(e.Runs) != 6 {
		t.Fatalf("the first time worked on %v", at)
	}
	for _, run := range e.Runs {
		if run.Status != experimentdir.Finished || run.Result == nil || run.Seconds <= 0 ||
			run.Result.ParametersTrained == 0 || run.Result.ImagesPerSecond <= 0 {
			t.Errorf("%s: %+v", run.Name, run)
		}
		if seeded := run.Mode != "scratch"; run.Seeded != seeded {
			t.Errorf("%s is seeded: %v", run.Name, run.Seeded)
		}
	}
	if e.Runs[0].Store != e.Runs[1].Store {
		t.Error("two seeds do not share their embeddings")
	}
	before := e
	if e, at = s.run(); len(at) != 0 {
		t.Errorf("the second time worked on %v", at)
	}
	for i, run := range e.Runs {
		if *run.Result != *before.Runs[i].Result || run.Seconds != before.Runs[i].Seconds {
			t.Errorf("%s: %+v, and %+v before", run.Name, run, before.Runs[i])
		}
	}

	// Another setting of one mode makes its runs anew, and the old ones stay.
	s.write(quick + "overrides: [{mode: scratch, settings: {lr: 0.0001}}]\n")
	if _, at = s.run(); strings.Join(at, " ") != "squeezenet1_1-scratch-seed0 squeezenet1_1-scratch-seed1" {
		t.Errorf("after a change of scratch's rate it worked on %v", at)
	}
	s.write(quick)
	if _, at = s.run(); len(at) != 0 {
		t.Errorf("the old setting again, and it worked on %v", at)
	}

	// Another photo makes all of them anew, but embeds only that photo.
	rows := e.Stores[0].Rows
	s.photo("train/red/0.jpg", 99)
	if e, at = s.run(); len(at) != 6 {
		t.Errorf("with another photo it worked on %v", at)
	}
	if got := e.Stores[0].Rows - rows; got != 2 { // its centre view, and one at random
		t.Errorf("with another photo it embedded %d rows", got)
	}
}

// A finished RUN whose MODEL was replaced by another one is not a result, and nothing is trained over it.
func TestAnotherModelInAFinishedRun(t *testing.T) {
	one := strings.NewReplacer("[feature-extraction, finetune, scratch]", "[scratch]", "[0, 1]", "[0]")
	s := newScene(t, one.Replace(quick))
	e, _ := s.run()
	mine := e.Runs[0]
	model, params, err := modeldir.Load(mine.Dir)
	if err != nil {
		t.Fatal(err)
	}
	model.Metrics.BestValAccuracy = 0.123 // of the same mode and seed
	if err := modeldir.Save(mine.Dir, model, params); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e, err := Run(t.Context(), s.open(), s.options(), progress.Discard)
		if fail.KindOf(err) != fail.Model || !strings.Contains(fmt.Sprint(err), notOwn) ||
			!strings.Contains(fail.HintOf(err), "Remove "+mine.Dir) {
			t.Errorf("error %v", err)
		}
		if got := e.Runs[0]; got.Status != experimentdir.Failed || got.Result != nil {
			t.Errorf("%+v", got)
		}
	}
	if err := os.RemoveAll(mine.Dir); err != nil {
		t.Fatal(err)
	}
	if e, _ = s.run(); e.Runs[0].Status != experimentdir.Finished ||
		e.Runs[0].Result.BestValAccuracy != mine.Result.BestValAccuracy {
		t.Errorf("trained again: %+v", e.Runs[0])
	}
}

func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	tiny, err := filepath.Abs("../finetune/artifacts/testdata/tiny.onnx")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody but its exporter can draw the first weights of a file.
	s := newScene(t, strings.NewReplacer(
		"{name: squeezenet1_1, weights: seed:0}", tiny, "[feature-extraction, finetune, "+
			"scratch]", "[scratch, finetune]", "resize: 48, crop: 48, ", "",
	).Replace(quick))
	e, err := Run(context.Background(), s.open(), s.options(), progress.Discard)
	if err == nil || fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "2 of 4 runs failed") {
		t.Fatalf("the error is %v", err)
	}
	for i, want := range []string{experimentdir.Failed, experimentdir.Failed, experimentdir.Finished,
		experimentdir.Finished} {
		if run := e.Runs[i]; run.Status != want || (run.Error != "") != (want == experimentdir.Failed) {
			t.Errorf("%s is %s: %s", run.Name, run.Status, run.Error)
		}
	}
}

// A training that diverged is a failed run, however it was trained; the others go on.
func TestADivergedTrainingIsAFailedRun(t *testing.T) {
	tiny, err := filepath.Abs("../finetune/artifacts/testdata/tiny.onnx")
	if err != nil {
		t.Fatal(err)
	}
	s := newScene(t, strings.NewReplacer(
		"{name: squeezenet1_1, weights: seed:0}", tiny, "[feature-extraction, finetune, "+
			"scratch]", "[feature-extraction, finetune]", "resize: 48, crop: 48, ", "",
	).Replace(quick)+"overrides: [{mode: finetune, settings: {lr: 3}}, {mode: feature-extraction, settings: {lr: "+
		"10000}}]\n")
	e, err := Run(context.Background(), s.open(), s.options(), progress.Discard)
	if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), "4 of 4 runs failed") {
		t.Fatalf("the error is of kind %d: %v", fail.KindOf(err), err)
	}
	for _, run := range e.Runs {
		finite := run.Mode == modeldir.FeatureExtraction // the loss of the others may be NaN
		if run.Status != experimentdir.Failed || finite && !strings.Contains(run.Error, "diverged at --lr") {
			t.Errorf("%s is %s: %s", run.Name, run.Status, run.Error)
		}
	}
}

func TestDryRun(t *testing.T) {
	s := newScene(t, quick)
	p, err := DryRun(context.Background(), s.open(), s.options(), progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.options().Out); err == nil {
		t.Error("a plan has left something behind")
	}
	sum := 0.0
	for i, run := range p.Runs {
		if run.Estimate <= 0 || run.Status != experimentdir.Pending {
			t.Errorf("%s: %+v", run.Name, run)
		}
		if i == 1 && run.Estimate >= p.Runs[0].Estimate {
			t.Errorf("the second seed of a feature extraction costs %g s, the first %g s", run.Estimate,
				p.Runs[0].Estimate)
		}
		sum += run.Estimate
	}
	if sum != p.Estimate {
		t.Errorf("the estimates add up to %g, not %g", sum, p.Estimate)
	}
	o := s.options()
	o.Only = "*-scratch-seed1"
	if p, err = DryRun(context.Background(), s.open(), o, progress.Discard); err != nil || len(p.Runs) != 1 {
		t.Errorf("--only leaves %d runs, %v", len(p.Runs), err)
	}
	o.Only = "*-none-*"
	if _, err = DryRun(context.Background(), s.open(), o, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("--only of nothing: %v", err)
	}
}

// What --only leaves out stays in the record, and what is done stays done.
func TestOnlySomeRuns(t *testing.T) {
	s := newScene(t, quick)
	o := s.options()
	states := func(want string) {
		t.Helper()
		e, err := experimentdir.Load(o.Out)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, run := range e.Runs {
			got = append(got, run.Status)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("the runs are %v, want %s", got, want)
		}
	}
	o.Only = "*-feature-extraction-seed1"
	if _, err := Run(context.Background(), s.open(), o, progress.Discard); err != nil {
		t.Fatal(err)
	}
	states("pending finished pending pending pending pending")
	o.Only = "*-scratch-seed0"
	if _, err := Run(context.Background(), s.open(), o, progress.Discard); err != nil {
		t.Fatal(err)
	}
	states("pending finished pending pending finished pending")
	o.Only = "["
	if _, err := Run(context.Background(), s.open(), o, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("a pattern that is none: %v", err)
	}
}

// Nobody looks for the weights of a network that --only leaves out.
func TestOnlyNeedsTheWeightsOfItsRuns(t *testing.T) {
	s := newScene(t, strings.Replace(quick, "[{name", "[{name: alexnet, weights: gone.pth}, {name", 1))
	o := s.options()
	if _, err := Run(context.Background(), s.open(), o, progress.Discard); err == nil {
		t.Fatal("the weights of alexnet are there")
	}
	o.Only = "squeezenet1_1-feature-extraction-*"
	for range 2 { // the second time by the record of the first
		e, err := Run(context.Background(), s.open(), o, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Runs) != 12 || e.Runs[0].Status != experimentdir.Pending ||
			e.Runs[6].Status != experimentdir.Finished {
			t.Errorf("the runs are %+v", e.Runs)
		}
	}
}

func TestAnotherExperimentsFolderIsRefused(t *testing.T) {
	s := newScene(t, quick)
	if err := os.MkdirAll(s.options().Out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := experimentdir.Save(s.options().Out, experimentdir.Experiment{Name: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), s.open(), s.options(), progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "other") {
		t.Errorf("the error is %v", err)
	}
}

func TestMissingWeightsAreReplacedAndSaid(t *testing.T) {
	s := newScene(t, strings.Replace(quick, "{name: squeezenet1_1, weights: seed:0}", "squeezenet1_1", 1))
	for _, name := range []string{"FX_WEIGHTS_DIR", "FX_CACHE_DIR", "TORCH_HOME", "HOME"} {
		t.Setenv(name, t.TempDir())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // so that nothing is fetched
	file := s.open()
	if _, err := prepare(ctx, file, s.options(), false, progress.Discard); fail.KindOf(err) != fail.Model {
		t.Fatalf("without weights it goes on: %v", err)
	}
	// A plan goes on, and says what a run needs.
	if m, err := prepare(ctx, file, s.options(), true, progress.Discard); err != nil ||
		m.record.Runs[0].Weights != "not at hand" || len(m.record.Notes) != 1 {
		t.Errorf("the plan: %+v, %v", m, err)
	}
	if err := file.SetWeightsIfMissing("seed:5"); err != nil {
		t.Fatal(err)
	}
	m, err := prepare(ctx, file, s.options(), false, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if run := m.record.Runs[0]; !run.Seeded || run.Weights != "seed:5" || len(m.record.Notes) == 0 {
		t.Errorf("the run says %+v, the notes %q", run, m.record.Notes)
	}
}

func Example() {
	file, err := Open(context.Background(), "hymenoptera-quick")
	fmt.Println(file.Title, len(file.Backbones)*len(file.Modes)*len(file.Seeds), err)
	// Output: Finetuning Torchvision Models: SqueezeNet on ants and bees 9 <nil>
}

// The tutorial's photos are not what fx draws in their place elsewhere: no run
// may pass for the tutorial on those. A plan may.
func TestMissingPhotosStopARun(t *testing.T) {
	s := newScene(t, strings.Replace(quick, "data: photos", "data: "+tutorial, 1))
	file := s.open()
	t.Setenv("FX_DATA_DIR", "")
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // so that nothing is fetched
	t.Chdir(t.TempDir())
	if _, err := prepare(t.Context(), file, s.options(), false, progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(fail.HintOf(err), "--data") {
		t.Errorf("a run: %v", err)
	}
	m, err := prepare(t.Context(), file, s.options(), true, progress.Discard)
	if err != nil || len(m.record.Notes) != 1 || len(m.runs) != 6 {
		t.Errorf("a plan: %v, %v", m, err)
	}
}
