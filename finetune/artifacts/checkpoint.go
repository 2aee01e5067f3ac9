package artifacts

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"fx/backbones"
	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// The files of a checkpoint folder. Only the state dict ends in .safetensors,
// so that a pattern such as *.safetensors finds what torchvision loads.
const (
	ModelFile    = "model.safetensors" // Checkpoint.Model
	trainingFile = "training.state"    // Checkpoint.Training, safetensors too
	stateFile    = "state.json"        // all else
)

// checkpointVersion is the version of checkpoints that this package writes and
// reads. Version 1 was written in two forms before fx had one writer: RUNs with
// other fields in state.json, and artifacts with other files and no version.
const checkpointVersion = 2

// Checkpoint is the state of a training at one moment.
type Checkpoint struct {
	// Network is the name of the network.
	Network string

	// Model holds parameters, statistics and their counters under the
	// network's own names, ready for torch's load_state_dict(strict=True).
	Model *weights.StateDict

	// Training holds, by slot name, what a training that goes on needs besides:
	// the optimizer's memory, moving averages, gradients that were added up.
	Training *weights.StateDict

	// Caller is whatever JSON the caller keeps beside them, such as the
	// position in the data; nil for nothing.
	Caller json.RawMessage
}

// stateJSON is the content of state.json.
type stateJSON struct {
	FormatVersion int               `json:"format_version"`
	Network       string            `json:"network"`
	Files         map[string]string `json:"files_sha256"` // name → SHA-256; nil in checkpoints of an older fx
	Caller        json.RawMessage   `json:"training,omitempty"`
}

// Pack makes a checkpoint of the values of slots, by slot name, after so many
// training batches. Parameters that no slot holds are those of the network.
// judged puts moving averages, where there are any, in the place of what they
// average: the model that evaluation sees. Tensor data is shared with values.
func (n *Network) Pack(slots []Slot, values *weights.StateDict, batches int, judged bool) *Checkpoint {
	c := &Checkpoint{Network: n.Name, Model: weights.NewStateDict(), Training: weights.NewStateDict()}
	c.Model.Metadata[backbones.MetaBackbone] = n.Name
	followed := map[string]bool{} // statistics that the batches change
	for _, s := range slots {
		t, ok := values.Get(s.Name)
		switch {
		case s.Kind == StatisticState:
			followed[s.Name] = followed[s.Name] || s.Next != ""
		case s.Kind != ParameterState && ok:
			c.Training.Set(s.Name, t)
		}
	}
	for _, p := range n.Parameters {
		t, ok := values.Get(p.Name)
		if average, has := values.Get(p.Name + AverageSuffix); has && judged {
			t, ok = average, true
		}
		if !ok {
			t, _ = n.Values.Get(p.Name)
		}
		c.Model.Set(p.Name, t)
		if layer, ok := countedLayer(p.Name); ok {
			count := n.counted[layer]
			if followed[p.Name] {
				count += uint64(batches)
			}
			c.Model.Set(layer+counterSuffix, counter(count))
		}
	}
	return c
}

// Unpack returns the checkpoint's value of every slot, by slot name. Gradients
// that it leaves out are zeros. Any other value that is missing or has another
// shape is an error of kind fail.Model: the checkpoint is of another network or
// of other options.
func (c *Checkpoint) Unpack(slots []Slot) (*weights.StateDict, error) {
	all := weights.NewStateDict()
	for _, s := range slots {
		from := c.Training
		if s.Kind == ParameterState || s.Kind == StatisticState {
			from = c.Model
		}
		t, ok := from.Get(s.Name)
		switch {
		case !ok && s.Kind == GradientState:
			t = filled(sizes(s.Shape), 0)
		case !ok:
			return nil, fail.New(fail.Model, otherNetwork, "the checkpoint of %s has no %s", c.Network, s.Name)
		case !equalShape(t.Shape, s.Shape):
			return nil, fail.New(fail.Model, otherNetwork, "the checkpoint of %s has %s of shape %v instead of %v", c.Network, s.Name, t.Shape, s.Shape)
		}
		all.Set(s.Name, t)
	}
	return all, nil
}

// otherNetwork is the hint where a checkpoint does not fit.
const otherNetwork = "Take the checkpoint of this very network, with the options that its training began with."

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

// WriteCheckpoint replaces the folder dir by the checkpoint, as durable.WriteDir
// does: a kill at any moment leaves the old one or the new one, whole.
func WriteCheckpoint(dir string, c *Checkpoint) error {
	err := durable.WriteDir(dir, func(fresh string) (err error) {
		state := stateJSON{FormatVersion: checkpointVersion, Network: c.Network, Files: map[string]string{}, Caller: c.Caller}
		for _, f := range []struct {
			name    string
			tensors *weights.StateDict
		}{{ModelFile, c.Model}, {trainingFile, c.Training}} {
			if state.Files[f.name], err = weights.WriteSafetensorsSum(filepath.Join(fresh, f.name), f.tensors); err != nil {
				return err
			}
		}
		text, err := checksum.Marshal(state)
		if err != nil {
			return err
		}
		return durable.WriteBytes(filepath.Join(fresh, stateFile), text)
	})
	return fail.Wrap(fail.KindOf(err), err, "Make room or choose another --out; what was there before stays.", "save the checkpoint %s", dir)
}

// ReadCheckpoint reads what WriteCheckpoint wrote; durable.RecoverDir comes
// before it where the writer may have been killed. Errors: fail.Usage where
// there is none, fail.Model where it is damaged or of another version.
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	path := filepath.Join(dir, stateFile)
	text, err := userfile.ReadJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail.New(fail.Usage, "Give the folder of a checkpoint.", "there is no checkpoint %s", dir)
	} else if err != nil {
		return nil, fail.Wrap(fail.Model, err, "Check that fx may read it.", "the checkpoint %s", dir)
	}
	const lost = "This checkpoint is lost: start the training again in another folder."
	var state stateJSON
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fail.Wrap(fail.Model, err, lost, "%s is damaged", path)
	}
	if state.FormatVersion != checkpointVersion {
		return nil, fail.New(fail.Model, "Go on with the fx that wrote it, or start the training again in another folder.",
			"%s has format version %d; this fx reads version %d", path, state.FormatVersion, checkpointVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return nil, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	c := &Checkpoint{Network: state.Network, Caller: state.Caller}
	for _, f := range []struct {
		name string
		to   **weights.StateDict
	}{{ModelFile, &c.Model}, {trainingFile, &c.Training}} {
		var info weights.Info
		if *f.to, info, err = weights.Read(filepath.Join(dir, f.name)); err != nil {
			return nil, fail.Wrap(fail.Model, err, lost, "the checkpoint %s", dir)
		}
		if state.Files != nil && state.Files[f.name] != info.SHA256 {
			return nil, fail.New(fail.Model, lost, "%s is not the file that %s was written with: it changed or belongs to another checkpoint", info.Path, stateFile)
		}
	}
	return c, nil
}
