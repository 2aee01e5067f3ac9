package finetune

import (
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/cuda"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

func TestBFloat16NeedsAGPUThatHasIt(t *testing.T) {
	old, new := cuda.GPU{Name: "NVIDIA T4", Capability: "7.5"}, cuda.GPU{Name: "NVIDIA H100", Capability: "9.0"}
	for _, c := range []struct {
		device    ort.Device
		gpu       cuda.GPU
		precision string
		says      string
	}{
		{ort.CPU, cuda.GPU{}, artifacts.BFloat16, "needs a GPU"}, {ort.CPU, cuda.GPU{}, artifacts.Float16, ""},
		{ort.CUDA, old, artifacts.BFloat16, "compute capability 7.5"}, {ort.CUDA, old, artifacts.Float16,
			""}, {ort.CUDA, new, artifacts.BFloat16, ""},
	} {
		err := precisionError(c.device, c.gpu, "asked for", c.precision)
		if (err == nil) != (c.says == "") || err != nil &&
			(!strings.Contains(err.Error(), c.says) || fail.KindOf(err) != fail.Device || fail.HintOf(err) == "") {
			t.Errorf("%s on %s %s: %v", c.precision, c.device, c.gpu, err)
		}
	}
}

// noteKeeper keeps notes.
type noteKeeper struct {
	progress.Reporter
	notes []string
}

func (k *noteKeeper) Note(text string) { k.notes = append(k.notes, text) }

func TestALossScaleThatFellIsTold(t *testing.T) {
	for scale, told := range map[float32]bool{65536: false, 1: false, 0.25: true} {
		keeper := &noteKeeper{Reporter: progress.Discard}
		state := weights.NewStateDict()
		state.Set(artifacts.LossScaleName, weights.FromFloat32([]int{}, []float32{scale}))
		(&run{report: keeper}).warnOfLossScale(state)
		if (len(keeper.notes) == 1) != told || told && !strings.Contains(keeper.notes[0], "fallen to 0.25") {
			t.Errorf("scale %v: %q", scale, keeper.notes)
		}
	}
	keeper := &noteKeeper{Reporter: progress.Discard}
	(&run{report: keeper}).warnOfLossScale(weights.NewStateDict())
	if len(keeper.notes) != 0 {
		t.Errorf("without a scale: %q", keeper.notes)
	}
}
