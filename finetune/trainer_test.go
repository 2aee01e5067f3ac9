package finetune

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
)

// losses trains on the same noise again and again, all of it of class 0.
func losses(t *testing.T, o Options, steps int) []float64 {
	t.Helper()
	s, err := NewTrainer(t.Context(), o, 2, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	images, labels := make([]uint8, o.BatchSize*s.ImageSize()*s.ImageSize()*3), make([]int64, o.BatchSize)
	noise := random.New(7, "photos")
	for i := range images {
		images[i] = uint8(noise.Uint32())
	}
	for _, name := range s.network.Values.Names() {
		if s.engine.state.byName[name] != nil {
			t.Errorf("the initial value of %s is kept beside the state", name)
		}
	}
	var all []float64
	for i := range steps {
		b, err := s.Batch(t.Context(), images, labels, i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Step(t.Context(), b, o.LR)
		b.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got.Loss)
	}
	return all
}

// Steps learn, draw other noise each time, and give the same bits again; the
// profile lies there when the stepper is closed.
func TestTrainer(t *testing.T) {
	orttest.Library(t)
	o := small("", "")
	o.LR, o.ProfilePrefix = 0.1, filepath.Join(t.TempDir(), "profile")
	first, second := losses(t, o, 12), losses(t, o, 12)
	if !slices.Equal(first, second) {
		t.Errorf("losses %v, and again %v", first, second)
	}
	o.LR = 1e-12 // dropout alone tells the steps apart
	if still := losses(t, o, 2); still[0] != first[0] || still[0] == still[1] {
		t.Errorf("without learning, losses %v; with it %v", still, first)
	}
	if !(first[11] < math.Ln2-0.1) {
		t.Errorf("losses %v: nothing was learned", first)
	}
	if files, _ := filepath.Glob(o.ProfilePrefix + "-batch4_*.json"); len(files) == 0 {
		t.Error("no profile was written")
	} else if text, err := os.ReadFile(files[0]); err != nil || len(text) < 1000 {
		t.Errorf("a profile of %d bytes, %v", len(text), err)
	}
}

func TestTrainerThatDiverges(t *testing.T) {
	orttest.Library(t)
	o := small("", "")
	o.LR = 1e30
	s, err := NewTrainer(t.Context(), o, 2, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := s.Batch(t.Context(), make([]uint8, o.BatchSize*s.ImageSize()*s.ImageSize()*3),
		make([]int64, o.BatchSize), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 5 {
		if _, err = s.Step(t.Context(), b, o.LR); err != nil {
			break
		}
	}
	if fail.KindOf(err) != fail.NonFinite {
		t.Errorf("error %v", err)
	}
}
