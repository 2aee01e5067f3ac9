package artifacts_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/weights"
)

// packed is a checkpoint of the small network before its first step.
func packed(t *testing.T, n *artifacts.Network, evaluated bool) (*artifacts.Graph, *artifacts.Checkpoint) {
	t.Helper()
	step, err := n.Step(smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	values, err := n.Initial(step)
	if err != nil {
		t.Fatal(err)
	}
	values.Set("fc.bias"+artifacts.AverageSuffix, weights.FromFloat32([]int{3}, []float32{7, 8, 9}))
	return step, n.Pack(step.State, values, 5, evaluated)
}

func TestACheckpointIsReadAsItWasWritten(t *testing.T) {
	n := small(t)
	step, c := packed(t, n, false)
	c.Caller = json.RawMessage(`{"epoch":2}`)
	dir := filepath.Join(t.TempDir(), "last")
	if err := artifacts.WriteCheckpoint(dir, c); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if err != nil || strings.Join(files, " ") != "model.safetensors state.json training.state" {
		t.Errorf("files %v, %v", files, err)
	}
	got, err := artifacts.ReadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	var caller struct{ Epoch int }
	if err := json.Unmarshal(got.Caller, &caller); err != nil || caller.Epoch != 2 || got.Network != "small" {
		t.Errorf("the caller's part %s of %s, %v", got.Caller, got.Network, err)
	}
	if got.Model.Len() != len(n.Parameters)+1 { // the counter of its batch normalization
		t.Errorf("%d tensors of the model", got.Model.Len())
	}
	state, err := got.Unpack(step.State)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Unpack(step.State)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range step.State {
		x, _ := want.Get(s.Name)
		y, ok := state.Get(s.Name)
		if !ok || !slices.Equal(x.Data, y.Data) {
			t.Errorf("%s differs, there %v", s.Name, ok)
		}
	}
}

// What is evaluated is the moving average, where there is one.
func TestAJudgedCheckpointHoldsTheAverages(t *testing.T) {
	for _, evaluated := range []bool{false, true} {
		_, c := packed(t, small(t), evaluated)
		bias, _ := c.Model.Get("fc.bias")
		values, err := bias.Float32s()
		if err != nil || slices.Equal(values, []float32{7, 8, 9}) != evaluated {
			t.Errorf("evaluated %v: bias %v, %v", evaluated, values, err)
		}
	}
}

func TestUnpackRefusesOtherSettings(t *testing.T) {
	n := small(t)
	step, c := packed(t, n, false)
	bare := n.Pack(nil, weights.NewStateDict(), 0, false)
	if _, err := bare.Unpack(step.State); fail.KindOf(err) != fail.Model || fail.HintOf(err) == "" {
		t.Errorf("a checkpoint without moments: %v", err)
	}
	gradients, err := n.Gradients(smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	state, err := c.Unpack(gradients.State) // a step leaves no gradients: they are zeros
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := state.Get("fc.bias" + artifacts.GradientSuffix); !ok || string(g.Data) != string(make([]byte, 12)) {
		t.Errorf("gradient %v, there %v", g.Data, ok)
	}
	if err := n.SetClasses(7, 0); err != nil {
		t.Fatal(err)
	}
	other, err := n.Eval(smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Unpack(other.State); fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), "shape") {
		t.Errorf("a checkpoint of 3 classes for 7: %v", err)
	}
}

func TestCheckpointsThatCantBeRead(t *testing.T) {
	_, c := packed(t, small(t), false)
	for _, spoil := range []struct {
		what, file, content string // "" takes the file away
		kind                fail.Kind
		says                string
	}{
		{"no checkpoint", "state.json", "", fail.Usage, "there is no checkpoint"},
		{"another version", "state.json", `{"format_version": 1, "run": "x"}`, fail.Model,
			"has format version 1; this fx reads version 2"},
		{"the artifacts of an older fx", "state.json", "{}", fail.Model, "has format version 0"},
		{"torn JSON", "state.json", `{"format_ver`, fail.Model, "state.json is damaged"},
		{"lists without end", "state.json", `{"training": ` + strings.Repeat("[", 9_000), fail.Model,
			"nested more than 100 deep"},
		{"a torn model", "model.safetensors", "torn", fail.Model, "model.safetensors"},
		{"no model", "model.safetensors", "", fail.Model, "model.safetensors"},
		{"no optimizer's memory", "training.state", "", fail.Model, "training.state"},
	} {
		t.Run(spoil.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "last")
			if err := artifacts.WriteCheckpoint(dir, c); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, spoil.file)
			err := os.Remove(path)
			if spoil.content != "" {
				err = os.WriteFile(path, []byte(spoil.content), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = artifacts.ReadCheckpoint(dir)
			if fail.KindOf(err) != spoil.kind || !strings.Contains(err.Error(), spoil.says) || fail.HintOf(err) == "" {
				t.Errorf("kind %d, hint %q: %v", fail.KindOf(err), fail.HintOf(err), err)
			}
		})
	}
}
