package finetune

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fx/finetune/artifacts"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/weights"
)

// The checkpoints of a RUN and the files in each.
const (
	checkpointDir = "checkpoint"
	lastName      = "last"
	bestName      = "best"

	modelName    = "model.safetensors" // the state_dict, under torchvision's names
	trainingName = "training.state"    // safetensors too: the optimizer's memory, averages, gradients under way
	stateName    = "state.json"
)

// checkpointVersion is the version of state.json that this package writes and reads.
const checkpointVersion = 1

// saved is the content of state.json: where the run stands.
type saved struct {
	FormatVersion int      `json:"format_version"`
	Run           string   `json:"run"` // what run.json calls itself
	Position      position `json:"position"`
	Running       tally    `json:"running"` // of the epoch under way
	Epochs        []Epoch  `json:"epochs"`
	BestEpoch     int      `json:"best_epoch"` // from 1, 0 before the first
	BestAccuracy  float64  `json:"best_val_accuracy"`
	Seconds       float64  `json:"seconds"` // of training so far
	Random        struct { // every random number depends on these and its position alone
		Generator string `json:"generator"`
		Seed      uint64 `json:"seed"`
	} `json:"random"`
}

// save writes the checkpoint of that name as one: a kill at any moment leaves
// the old one or the new one.
func (r *run) save(name string, values *weights.StateDict, s saved) error {
	if bad := r.firstNonFinite(values); bad != "" {
		return fail.New(fail.NonFinite, lowerRate, "%s is not finite after epoch %d, step %d; the checkpoint before it stays", bad, s.Position.Epoch+1, s.Position.Step)
	}
	dir := filepath.Join(r.options.Out, checkpointDir)
	fresh := filepath.Join(dir, name+freshSuffix)
	write := func() error {
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		if err := os.MkdirAll(fresh, 0o755); err != nil {
			return err
		}
		model, training := r.split(values, r.plan.batches(s.Position), name == bestName)
		if err := weights.WriteSafetensors(filepath.Join(fresh, modelName), model); err != nil {
			return err
		}
		if err := weights.WriteSafetensors(filepath.Join(fresh, trainingName), training); err != nil {
			return err
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return err
		}
		if err := durable.WriteBytes(filepath.Join(fresh, stateName), append(text, '\n')); err != nil {
			return err
		}
		return replaceDir(filepath.Join(dir, name))
	}
	if err := write(); err != nil {
		_ = os.RemoveAll(fresh) // the first error is the one to report
		return fail.Wrap(fail.KindOf(err), err, "Make room or choose another --out; the checkpoint before this one stays.", "save the checkpoint %s", filepath.Join(dir, name))
	}
	return nil
}

// split tells the network's own tensors, after so many training batches, from
// those of the training. judged puts moving averages, where there are any, in
// the place of what they average.
func (r *run) split(values *weights.StateDict, batches int, judged bool) (model, training *weights.StateDict) {
	model, training = weights.NewStateDict(), weights.NewStateDict()
	kinds := map[string]artifacts.Kind{}
	for _, c := range r.engine.state.cells {
		kinds[c.Name] = c.Kind
	}
	for _, p := range r.network.Parameters {
		t, ok := values.Get(p.Name)
		if !ok {
			t, _ = r.network.Values.Get(p.Name)
		}
		if average, ok := values.Get(p.Name + artifacts.AverageSuffix); ok && judged {
			t = average
		}
		model.Set(p.Name, t)
		if name, count, ok := r.counter(p.Name, batches); ok {
			model.Set(name, count)
		}
	}
	for _, name := range values.Names() {
		if kind := kinds[name]; kind != "" && kind != artifacts.ParameterState && kind != artifacts.StatisticState {
			t, _ := values.Get(name)
			training.Set(name, t)
		}
	}
	return model, training
}

// load reads the checkpoint last/. found is false where there is none.
func (r *run) load() (values *weights.StateDict, s saved, found bool, err error) {
	dir := filepath.Join(r.options.Out, checkpointDir, lastName)
	path := filepath.Join(dir, stateName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s, false, nil
	} else if err != nil {
		return nil, s, false, fail.Wrap(fail.Model, err, "", "checkpoint")
	}
	damaged := "Start the run again with another --out."
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, s, false, fail.Wrap(fail.Model, err, damaged, "%s is damaged", path)
	}
	if s.FormatVersion != checkpointVersion {
		return nil, s, false, fail.New(fail.Model, "Use the fx that wrote it.", "%s has format version %d; this fx reads version %d", path, s.FormatVersion, checkpointVersion)
	}
	if s.Run != r.record.ID {
		return nil, s, false, fail.New(fail.Model, damaged, "the checkpoint %s belongs to another run than %s", dir, filepath.Join(r.options.Out, recordName))
	}
	values = weights.NewStateDict()
	for _, name := range []string{modelName, trainingName} {
		part, _, err := weights.Read(filepath.Join(dir, name))
		if err != nil {
			return nil, s, false, fail.Wrap(fail.Model, err, damaged, "checkpoint")
		}
		for _, n := range part.Names() {
			t, _ := part.Get(n)
			values.Set(n, t)
		}
	}
	return values, s, true, r.fits(values, dir)
}

// fits refuses the checkpoint of another network.
func (r *run) fits(values *weights.StateDict, dir string) error {
	for _, slot := range r.engine.state.cells {
		t, ok := values.Get(slot.Name)
		if !ok || fmt.Sprint(t.Shape) != fmt.Sprint(slot.Shape) {
			what := "has no"
			if ok {
				what = fmt.Sprintf("has shape %v instead of %v for", t.Shape, slot.Shape)
			}
			return fail.New(fail.Model, "Resume with the network and the flags that the run began with.", "the checkpoint %s is of another network: it %s %s", dir, what, slot.Name)
		}
	}
	return nil
}
