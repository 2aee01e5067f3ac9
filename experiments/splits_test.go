package experiments

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
)

// A test split beside val is neither trained on nor evaluated on, and takes no time.
func TestPhotosOfTheSplits(t *testing.T) {
	s := newScene(t, quick)
	for _, class := range []string{"blue", "red"} {
		for n := range 3 {
			s.photo(fmt.Sprintf("test/%s/%d.jpg", class, n), n)
		}
	}
	m, err := prepare(t.Context(), s.open(), s.options(), true, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	train, val := m.sources()
	if len(train) != 8 || len(val) != 8 || strings.Contains(fmt.Sprint(val), "test") {
		t.Errorf("%d photos to train on, %d to evaluate on", len(train), len(val))
	}
}

// A class without a photo to train on is refused before any run, or by the
// runs where its photos turn out to be bad.
func TestAClassThatNothingCanBeLearnedOf(t *testing.T) {
	s := newScene(t, quick)
	s.photo("val/green/0.jpg", 0)
	folder := filepath.Join(s.dir, "photos", "train", "green")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	refused := func() {
		t.Helper()
		_, err := Run(t.Context(), s.open(), s.options(), progress.Discard)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(fmt.Sprint(err),
			"no usable photo of green to train on") {
			t.Errorf("error %v", err)
		}
	}
	refused()
	if _, err := os.Stat(s.options().Out); err == nil {
		t.Error("something was written")
	}
	if err := os.WriteFile(filepath.Join(folder, "bad.jpg"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	refused()
}
