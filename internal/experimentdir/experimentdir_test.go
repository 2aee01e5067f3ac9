package experimentdir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/experimentdir"
	"fx/internal/fail"
)

func example() experimentdir.Experiment {
	return experimentdir.Experiment{
		Name: "quick", Title: "A quick look",
		Runs: []experimentdir.Run{{
			Name: "alexnet-scratch-seed1", Backbone: "alexnet", Mode: "scratch", Seed: 1,
			Dir: "runs/alexnet-scratch-seed1-0123", Status: experimentdir.Pending,
		}},
	}
}

func TestLoadFindsTheRuns(t *testing.T) {
	dir := t.TempDir()
	if experimentdir.Is(dir) {
		t.Error("an empty folder is taken for an experiment")
	}
	if err := experimentdir.Save(dir, example()); err != nil {
		t.Fatal(err)
	}
	got, err := experimentdir.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "runs", "alexnet-scratch-seed1-0123"); !experimentdir.Is(dir) ||
		got.Runs[0].Dir != want {
		t.Errorf("the run lies in %s, want %s", got.Runs[0].Dir, want)
	}
	if got.Runs[0].Store != "" {
		t.Errorf("a run without a store has %s", got.Runs[0].Store)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		kind  fail.Kind
		says  string
	}{
		"no experiment": {os.Remove, fail.Usage, "no experiment"},
		"half a file":   {func(path string) error { return os.Truncate(path, 30) }, fail.Model, "damaged"},
		"lists without end": {func(path string) error {
			return os.WriteFile(path, []byte(`{"format_version": 1, "settings": {"a": `+strings.Repeat("[", 9_000)),
				0o644)
		}, fail.Model, "nested more than 100 deep"},
		"a newer format": {func(path string) error {
			return os.WriteFile(path, []byte(`{"format_version": 99}`), 0o644)
		}, fail.Model, "format version 99"},
	} {
		dir := t.TempDir()
		if err := experimentdir.Save(dir, example()); err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(filepath.Join(dir, experimentdir.FileName)); err != nil {
			t.Fatal(err)
		}
		_, err := experimentdir.Load(dir)
		if err == nil || fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) ||
			fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "experiment")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := experimentdir.Save(dir, example()); err != nil {
		panic(err)
	}
	e, err := experimentdir.Load(dir)
	fmt.Println(e.Title, len(e.Runs), e.Runs[0].Status, err)
	// Output: A quick look 1 pending <nil>
}
