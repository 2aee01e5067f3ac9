package modeldir_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/fail"
	"fx/internal/modeldir"
)

// FuzzModel demands that any model.json is read or refused as a bad model.
func FuzzModel(f *testing.F) {
	dir := f.TempDir()
	m, p := example("linear")
	if err := modeldir.Save(dir, m, p); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "model.json")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, change := range [][2]string{
		{`"format_version": 1`, `"format_version": 99`}, {`"ants",`, ""}, {`"bees"`, `"bees", "wasps"`}, {"fc.weight",
			"fc2.weight"},
		{`"resize": 224`, `"resize": -1`}, {`"features": 3`, `"features": 4611686018427387904`}, {"linear",
			"conv1x1"}, {"seed:0", "../../etc/passwd"},
	} {
		changed := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, good) {
			f.Fatalf("model.json has no %s", change[0])
		}
		f.Add(changed)
	}
	f.Add(good[:40])
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		m, p, err := modeldir.Load(dir)
		if err != nil {
			if kind := fail.KindOf(err); kind != fail.Model || fail.HintOf(err) == "" {
				t.Errorf("kind %d: %v", kind, err)
			}
			return
		}
		if len(m.Classes) < 2 || len(p.Bias) != len(m.Classes) || len(p.Weight) != len(m.Classes)*m.Head.Features ||
			m.Preprocess.Check() != nil {
			t.Errorf("%d weights and %d biases for %d classes of %d features, %+v", len(p.Weight), len(p.Bias),
				len(m.Classes), m.Head.Features, m.Preprocess)
		}
	})
}
