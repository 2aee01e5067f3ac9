package finetune

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// diverged runs o and demands that it ends as diverged, with its checkpoint and without a model.
func diverged(t *testing.T, o Options, says string) {
	t.Helper()
	for range 2 { // a resumed run is no better
		_, err := Run(t.Context(), o, progress.Discard)
		if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), says) ||
			!strings.Contains(fail.HintOf(err), "--lr") {
			t.Errorf("kind %d, hint %q: %v", fail.KindOf(err), fail.HintOf(err), err)
		}
		o.Resume = true
	}
	if _, err := artifacts.ReadCheckpoint(filepath.Join(o.Out, checkpointDir, lastName)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(o.Out, "model.json")); err == nil {
		t.Error("it left a model")
	}
	if _, finished, err := Status(o.Out); finished || err != nil {
		t.Errorf("the run is finished: %v, %v", finished, err)
	}
}

// A loss may be absurd and still finite.
func TestATrainingThatDivergedIsNoSuccess(t *testing.T) {
	orttest.Library(t)
	o := tiny(drawPhotos(t, t.TempDir(), 6, 4), filepath.Join(t.TempDir(), "run"))
	o.Epochs, o.LR = 2, 1
	diverged(t, o, "the training diverged at --lr 1: its train loss is")
}

// A network whose units are dead gives all photos the logits of its last bias. That is a
// training's fault only where they lived before it.
func TestADeadNetwork(t *testing.T) {
	orttest.Library(t)
	o := tiny(drawPhotos(t, t.TempDir(), 6, 5), filepath.Join(t.TempDir(), "run"))
	n, err := artifacts.FromFile(o.Network.Backbone, backbones.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dead := weights.NewStateDict()
	for _, name := range n.Values.Names() {
		v, _ := n.Values.Get(name)
		if v.DType.Float() && !strings.Contains(name, "running_") {
			v.Data = make([]byte, len(v.Data))
		}
		dead.Set(name, v)
	}
	o.Network.Weights = weights.File(filepath.Join(t.TempDir(), "dead.safetensors"))
	if err := weights.WriteSafetensors(o.Network.Weights.File, dead); err != nil {
		t.Fatal(err)
	}
	o.LR = 1e-6
	if r, err := Run(t.Context(), o, progress.Discard); err != nil ||
		!strings.Contains(strings.Join(r.Notes, "\n"), "it learned nothing") {
		t.Errorf("dead from the start: %v, notes %q", err, r.Notes)
	}
}

// A rate that kills the ReLU before the logits, without a loss that tells.
func TestATrainingThatKillsTheNetworkIsNoSuccess(t *testing.T) {
	orttest.Library(t)
	o := small(drawPhotos(t, t.TempDir(), 6, 5), filepath.Join(t.TempDir(), "run"))
	o.LR, o.HeadOnly = 0.1, true
	diverged(t, o, "the same logits: its units are dead")
}
