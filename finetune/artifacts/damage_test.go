package artifacts_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/flipbits"
	"fx/internal/weights"
)

// compact is c without the white space of the caller's part.
func compact(t *testing.T, c *artifacts.Checkpoint) artifacts.Checkpoint {
	t.Helper()
	var caller bytes.Buffer
	if err := json.Compact(&caller, c.Caller); err != nil {
		t.Fatal(err)
	}
	same := *c
	same.Caller = caller.Bytes()
	return same
}

// No flipped bit of a checkpoint is read as another state.
func TestNoFlippedBitMakesAnotherCheckpoint(t *testing.T) {
	c := &artifacts.Checkpoint{Network: "small", Model: weights.NewStateDict(), Training: weights.NewStateDict(),
		Caller: json.RawMessage(`{"epoch":2,"seconds":0.25}`)}
	c.Model.Metadata["fx.backbone"] = "small"
	c.Model.Set("fc.weight", weights.FromFloat32([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}))
	c.Model.Set("fc.bias", weights.FromFloat32([]int{2}, []float32{7, 8}))
	c.Training.Set("fc.weight.momentum", weights.FromFloat32([]int{2, 3}, []float32{-1, -2, -3, -4, -5, -6}))
	dir := filepath.Join(t.TempDir(), "last")
	if err := artifacts.WriteCheckpoint(dir, c); err != nil {
		t.Fatal(err)
	}
	first, err := artifacts.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, refused := compact(t, first), 0
	n := flipbits.EachFile(t, dir, 1, func(damaged string) {
		got, err := artifacts.ReadCheckpoint(dir)
		if err != nil {
			refused++
		} else if !reflect.DeepEqual(compact(t, got), want) {
			t.Errorf("%s: opens as %+v", damaged, got)
		}
	})
	if refused < n*9/10 {
		t.Errorf("%d of %d flipped bits are seen", refused, n)
	}
}

// A file of another checkpoint in the place of this one's is told as such.
func TestAFileOfAnotherCheckpointIsRefused(t *testing.T) {
	n := small(t)
	_, c := packed(t, n, false)
	dirs := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	for i, dir := range dirs {
		c.Training.Set("extra", weights.FromFloat32([]int{1}, []float32{float32(i)}))
		if err := artifacts.WriteCheckpoint(dir, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dirs[1], "training.state"),
		filepath.Join(dirs[0], "training.state")); err != nil {
		t.Fatal(err)
	}
	if c, err := artifacts.ReadCheckpoint(dirs[0]); err == nil {
		t.Errorf("opens: %+v", c)
	}
}

// The same of a folder of artifacts, whose graphs are large: a bit of every hundredth byte.
func TestNoFlippedBitMakesOtherArtifacts(t *testing.T) {
	n := small(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second in the place of the first
		if _, err := artifacts.Generate(t.Context(), dir, n, smallOptions(t)); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || string(text) != "mine" {
		t.Errorf("a file of somebody else is %q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(dir, "notes.txt")); err != nil {
		t.Fatal(err)
	}
	want, err := artifacts.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	flips := flipbits.EachFile(t, dir, 101, func(damaged string) {
		got, err := artifacts.Read(dir)
		if err == nil && (!reflect.DeepEqual(got.Info, want.Info) ||
			!reflect.DeepEqual(got.Checkpoint, want.Checkpoint) ||
			got.Step.Model.String() != want.Step.Model.String()) {
			t.Errorf("%s: opens with other content", damaged)
		}
	})
	t.Logf("%d bits flipped", flips)
}
