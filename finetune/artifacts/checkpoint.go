package artifacts

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/weights"
)

// The files of a checkpoint folder.
const (
	modelFile     = "model.safetensors"     // torchvision's state_dict
	averageFile   = "average.safetensors"   // its moving average, where there is one
	optimizerFile = "optimizer.safetensors" // momenta and moments
	stateFile     = "state.json"            // what the caller keeps beside them
)

// Checkpoint is the state of a training run.
type Checkpoint struct {
	// Model holds parameters and statistics under torchvision's names, ready
	// for load_state_dict(strict=True).
	Model *weights.StateDict

	// Average is the moving average of the model, or nil; Optimizer the
	// optimizer's state by slot name.
	Average, Optimizer *weights.StateDict

	// State is whatever JSON the caller keeps beside them: epoch, position,
	// random state.
	State json.RawMessage
}

// Pack sorts state by slot name into a Checkpoint. steps is the number of
// batches seen, which torch counts in num_batches_tracked. Parameters that no
// slot holds come from the network.
func (n *Network) Pack(state map[string]weights.Tensor, steps int64, own json.RawMessage) *Checkpoint {
	c := &Checkpoint{Model: weights.NewStateDict(), Optimizer: weights.NewStateDict(), State: own}
	c.Model.Metadata = map[string]string{"fx.backbone": n.Name}
	add := func(to *weights.StateDict, p Parameter, t weights.Tensor) {
		to.Set(p.Name, t)
		layer, statistic := strings.CutSuffix(p.Name, ".running_var")
		if n.counters && statistic {
			to.Set(layer+".num_batches_tracked", weights.Tensor{DType: weights.I64, Shape: []int{}, Data: binary.LittleEndian.AppendUint64(nil, uint64(steps))})
		}
	}
	averaged := false
	for _, p := range n.Parameters {
		t, ok := state[p.Name]
		if !ok {
			t, _ = n.Values.Get(p.Name)
		}
		add(c.Model, p, t)
		_, has := state[p.Name+AverageSuffix]
		averaged = averaged || has
	}
	if averaged {
		c.Average = weights.NewStateDict()
		c.Average.Metadata = c.Model.Metadata
		for _, p := range n.Parameters {
			t, ok := state[p.Name+AverageSuffix]
			if !ok { // never changed
				t, _ = c.Model.Get(p.Name)
			}
			add(c.Average, p, t)
		}
	}
	for _, p := range n.Parameters {
		for _, suffix := range []string{MomentumSuffix, FirstSuffix, SecondSuffix} {
			if t, ok := state[p.Name+suffix]; ok {
				c.Optimizer.Set(p.Name+suffix, t)
			}
		}
	}
	for _, name := range []string{StepName, LossScaleName, GoodStepsName} {
		if t, ok := state[name]; ok {
			c.Optimizer.Set(name, t)
		}
	}
	return c
}

// Unpack returns the checkpoint's value for every slot of a graph. A value that
// is missing or has another shape is an error of kind fail.Model: the checkpoint
// is of another network or of other options.
func (c *Checkpoint) Unpack(slots []Slot) (map[string]weights.Tensor, error) {
	state := map[string]weights.Tensor{}
	for _, s := range slots {
		from, name := c.Model, s.Of
		switch s.Kind {
		case OptimizerState, LossScaleState:
			from, name = c.Optimizer, s.Name
		case AverageState:
			from = c.Average
		case GradientState:
			continue
		}
		if from == nil {
			return nil, fail.New(fail.Model, "Resume with the settings that the run was started with.", "the checkpoint keeps no %s", s.Name)
		}
		t, ok := from.Get(name)
		if !ok {
			return nil, fail.New(fail.Model, "Resume with the settings that the run was started with.", "the checkpoint has no %s", s.Name)
		}
		if !equalShape(t.Shape, s.Shape) {
			return nil, fail.New(fail.Model, "Take the checkpoint of this very network.", "%s has shape %v in the checkpoint instead of %v", s.Name, t.Shape, s.Shape)
		}
		state[s.Name] = t
	}
	return state, nil
}

func equalShape(shape []int, want []int64) bool {
	if len(shape) != len(want) {
		return false
	}
	for i := range shape {
		if int64(shape[i]) != want[i] {
			return false
		}
	}
	return true
}

const (
	incomplete = ".fx-tmp" // a checkpoint that is being written
	previous   = ".fx-old" // the one before, for a moment
)

// WriteCheckpoint replaces the folder dir by the checkpoint. At any moment, also
// after a kill, ReadCheckpoint finds the old one or the new one, whole. One
// process at a time writes to dir.
func WriteCheckpoint(dir string, c *Checkpoint) error {
	if err := settle(dir); err != nil {
		return err
	}
	fresh := dir + incomplete
	err := func() error {
		if err := os.Mkdir(fresh, 0o755); err != nil {
			return err
		}
		if err := weights.WriteSafetensors(filepath.Join(fresh, modelFile), c.Model); err != nil {
			return err
		}
		if c.Average != nil {
			if err := weights.WriteSafetensors(filepath.Join(fresh, averageFile), c.Average); err != nil {
				return err
			}
		}
		if c.Optimizer != nil {
			if err := weights.WriteSafetensors(filepath.Join(fresh, optimizerFile), c.Optimizer); err != nil {
				return err
			}
		}
		own := c.State
		if own == nil {
			own = json.RawMessage("{}")
		}
		return durable.WriteFile(filepath.Join(fresh, stateFile), func(w io.Writer) error {
			_, err := w.Write(append(own, '\n'))
			return err
		})
	}()
	if err != nil {
		_ = os.RemoveAll(fresh)
		return fail.Wrap(fail.Other, err, "Free some space or choose another --out.", "write checkpoint %s", dir)
	}
	err = os.Rename(dir, dir+previous)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(fresh, dir)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(dir))
	}
	if err == nil {
		err = os.RemoveAll(dir + previous)
	}
	return fail.Wrap(fail.Other, err, "", "put checkpoint %s in place", dir)
}

// settle cleans up after a writer that was killed: an unfinished checkpoint goes,
// and one that was moved aside comes back where no new one took its place.
func settle(dir string) error {
	err := os.RemoveAll(dir + incomplete)
	if err == nil {
		_, missing := os.Stat(dir)
		_, aside := os.Stat(dir + previous)
		switch {
		case aside != nil:
		case errors.Is(missing, fs.ErrNotExist):
			err = os.Rename(dir+previous, dir)
		default:
			err = os.RemoveAll(dir + previous)
		}
	}
	return fail.Wrap(fail.Other, err, "Check that the folder may be written.", "clean up beside checkpoint %s", dir)
}

// ReadCheckpoint reads what WriteCheckpoint wrote, also where a kill fell between
// its two renamings. Errors: fail.Usage where there is none, fail.Model where it
// is damaged.
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir + previous); err == nil {
			dir += previous
		} else {
			return nil, fail.New(fail.Usage, "Give the folder of a run.", "there is no checkpoint %s", dir)
		}
	}
	c := &Checkpoint{}
	for _, f := range []struct {
		name     string
		to       **weights.StateDict
		optional bool
	}{{modelFile, &c.Model, false}, {averageFile, &c.Average, true}, {optimizerFile, &c.Optimizer, true}} {
		path := filepath.Join(dir, f.name)
		if _, err := os.Stat(path); f.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		sd, _, err := weights.Read(path)
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, "The other checkpoint of the run (last/ or best/) may serve.", "checkpoint %s", dir)
		}
		*f.to = sd
	}
	own, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil && !json.Valid(own) {
		err = errors.New("is no JSON")
	}
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "The other checkpoint of the run (last/ or best/) may serve.", "checkpoint %s, %s", dir, stateFile)
	}
	c.State = own
	return c, nil
}
