package finetune

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/weights"
)

// The checkpoints of a RUN.
const (
	checkpointDir = "checkpoint"
	lastName      = "last"
	bestName      = "best"
)

// saved is the part of a checkpoint besides the tensors: the position of the run.
type saved struct {
	Run          string          `json:"run"` // the ID in run.json
	Position     position        `json:"position"`
	Running      tally           `json:"running"` // of the epoch under way
	Epochs       []metrics.Epoch `json:"epochs"`
	BestEpoch    int             `json:"best_epoch"` // from 1, 0 before the first
	BestAccuracy float64         `json:"best_val_accuracy"`
	Seconds      float64         `json:"seconds"`                                // of training so far
	SameLogits   bool            `json:"val_logits_all_equal,omitempty"`         // of the last epoch, for head.Diverged
	SameAtStart  bool            `json:"initial_val_logits_all_equal,omitempty"` // before the first step
	Random       struct {        // every random number depends only on these and its position
		Generator string `json:"generator"`
		Seed      uint64 `json:"seed"`
	} `json:"random"`
}

// start returns when a run without interruptions would have begun to be as far as this one.
func (s saved) start(now time.Time) time.Time {
	done := time.Duration((s.Seconds + s.Running.Seconds) * float64(time.Second))
	return now.Add(-done).UTC().Truncate(time.Second)
}

// checkpoint returns the folder of a checkpoint.
func (r *run) checkpoint(name string) string {
	return filepath.Join(r.options.Out, checkpointDir, name)
}

// save writes a checkpoint. best/ contains the values that were evaluated.
func (r *run) save(name string, values *weights.StateDict, s saved) error {
	if bad := r.firstNonFinite(values); bad != "" {
		return fail.New(fail.NonFinite, lowerRate, "%s is not finite after %s; %s", bad, s.Position, r.remaining())
	}
	c := r.network.Pack(r.engine.state.slots(), values, r.plan.batches(s.Position), name == bestName)
	var err error
	if c.Caller, err = json.Marshal(s); err != nil {
		return err
	}
	if err := artifacts.WriteCheckpoint(r.checkpoint(name), c); err != nil {
		hint := "Make room there, or let fx write there, and continue with --resume: " + r.remaining() + "."
		return fail.Wrap(fail.KindOf(err), err, hint, "after %s", s.Position)
	}
	if name == lastName {
		r.newest = s.Position
	}
	return nil
}

// load reads the checkpoint last/. found is false if there is none.
func (r *run) load() (values *weights.StateDict, s saved, found bool, err error) {
	dir := r.checkpoint(lastName)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, s, false, nil
	}
	const startAgain = "Start the run again with another --out."
	c, err := artifacts.ReadCheckpoint(dir)
	if err != nil {
		return nil, s, false, fail.Wrap(fail.Model, err, "", "%s can't be resumed", r.options.Out)
	}
	if err := json.Unmarshal(c.Caller, &s); err != nil {
		return nil, s, false, fail.Wrap(fail.Model, err, startAgain, "the checkpoint %s is damaged", dir)
	}
	if s.Run != r.record.ID {
		return nil, s, false, fail.New(fail.Model, startAgain, "the checkpoint %s belongs to another run than %s",
			dir, filepath.Join(r.options.Out, recordName))
	}
	values, err = c.Unpack(r.engine.state.slots())
	return values, s, true, fail.Wrap(fail.Model, err, "", "the checkpoint %s", dir)
}
