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
	stateFile    = "state.json"        // everything else
)

// checkpointVersion is the version of checkpoints that this package writes and
// reads. Version 1 was written in two forms before fx had one writer: RUNs with
// other fields in state.json, and artifacts with other files and no version.
const checkpointVersion = 2

// Checkpoint is the state of a training at one moment.
type Checkpoint struct {
	// Network is the name of the network.
	Network string

	// Model has parameters, statistics and their counters under the
	// network's own names, ready for torch's load_state_dict(strict=True).
	Model *weights.StateDict

	// Training has, by slot name, what a resumed training needs besides Model:
	// optimizer state, moving averages, accumulated gradients.
	Training *weights.StateDict

	// Caller is the caller's own JSON, such as the position in the data; nil for none.
	Caller json.RawMessage
}

// stateJSON is the content of state.json.
type stateJSON struct {
	FormatVersion int               `json:"format_version"`
	Network       string            `json:"network"`
	Files         map[string]string `json:"files_sha256"` // name → SHA-256; nil in checkpoints of an older fx
	Caller        json.RawMessage   `json:"training,omitempty"`
}

// Pack returns a checkpoint with the values of slots, by slot name, after the given
// number of training batches. Parameters without a slot are those of the network.
// averaged replaces parameters by their moving averages, if there are any, as
// evaluation does. Tensor data is shared with values.
func (n *Network) Pack(slots []Slot, values *weights.StateDict, batches int, averaged bool) *Checkpoint {
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
		if average, has := values.Get(p.Name + AverageSuffix); has && averaged {
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

// Unpack returns the checkpoint's value of every slot, by slot name. Missing gradients
// are zeros. Any other missing value and any wrong shape is an error of kind fail.Model:
// the checkpoint belongs to another network or to other options.
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
			return nil, fail.New(fail.Model, otherNetwork, "the checkpoint of %s has %s of shape %v instead of %v",
				c.Network, s.Name, t.Shape, s.Shape)
		}
		all.Set(s.Name, t)
	}
	return all, nil
}

// otherNetwork is the hint for a checkpoint that does not fit.
const otherNetwork = "Use a checkpoint of this network, with the options that its training began with."

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

// WriteCheckpoint replaces the folder dir by the checkpoint with durable.WriteDir: a
// kill at any moment leaves the complete old one or the complete new one.
func WriteCheckpoint(dir string, c *Checkpoint) error {
	err := durable.WriteDir(dir, func(fresh string) (err error) {
		state := stateJSON{FormatVersion: checkpointVersion, Network: c.Network, Files: map[string]string{},
			Caller: c.Caller}
		for _, f := range []struct {
			name    string
			tensors *weights.StateDict
		}{{ModelFile, c.Model}, {trainingFile, c.Training}} {
			if state.Files[f.name], err = weights.WriteSafetensorsSum(filepath.Join(fresh, f.name),
				f.tensors); err != nil {
				return err
			}
		}
		text, err := checksum.Marshal(state)
		if err != nil {
			return err
		}
		return durable.WriteBytes(filepath.Join(fresh, stateFile), text)
	})
	return fail.Wrap(fail.KindOf(err), err, "Make room or choose another --out; the earlier checkpoint is kept.",
		"save the checkpoint %s", dir)
}

// ReadCheckpoint reads a checkpoint. Call durable.RecoverDir before if the writer may
// have been killed. Errors: fail.Usage if there is no checkpoint, fail.Model if it is
// damaged or of another version.
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
		return nil, fail.New(fail.Model, "Use the fx that wrote it, or start the training again in another folder.",
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
			return nil, fail.New(fail.Model, lost,
				"%s does not match %s: it changed or belongs to another checkpoint", info.Path, stateFile)
		}
	}
	return c, nil
}
