package classify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/outpath"
	"fx/internal/paths"
	"fx/internal/store"
)

// checkOwnModel returns an error for a MODEL that another command made, or that was trained on other features: without
// Force, only one of the same features is replaced.
func (o FitOptions) checkOwnModel(features store.Manifest) error {
	if o.Force || o.Nested {
		return nil
	}
	const hint = "Choose another --out, or write there all the same with --force."
	dir := paths.Absolute(o.Out)
	for range 2 { // EXPERIMENT/runs/MODEL, QUICKSTART/model
		dir = filepath.Dir(dir)
		if owner, err := outpath.Owner(dir); err != nil {
			return err
		} else if owner != "" {
			return fail.New(fail.Usage, hint, "%s belongs to %s, in %s", o.Out, owner, dir)
		}
	}
	if !modeldir.Is(o.Out) {
		return nil
	}
	m, _, err := modeldir.Load(o.Out)
	switch {
	case fail.BySystem(err):
		return err
	case err != nil: // there is nothing to lose
		return nil
	case m.Features == "":
		return fail.New(fail.Usage, hint, "%s is a model that `fx finetune` trained", o.Out)
	case paths.Same(m.Features, o.Features):
		return nil
	}
	_, err = os.Stat(m.Features)
	moved := errors.Is(err, fs.ErrNotExist) && m.Backbone.GraphSHA256 == features.GraphSHA256 &&
		m.Backbone.WeightsSHA256 == features.WeightsSHA256
	if !moved {
		return fail.New(fail.Usage, hint, "%s is a model of other features: %s", o.Out, m.Features)
	}
	return nil
}

// trainingLock is held in a MODEL's folder during training, so that two trainings do not overwrite each other's
// result.
const trainingLock = ".fx-training"

// holdModel creates the folder of a MODEL and locks it for a training. release unlocks it, and removes it if there is
// no MODEL in it.
func holdModel(dir string) (release func(), err error) {
	const hint = "Choose a folder that fx may write with --out."
	_, err = os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fail.Wrap(fail.Usage, err, hint, "model folder %s", dir)
	}
	lock := filepath.Join(dir, trainingLock)
	free, err := durable.Lock(lock)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.",
			"another fx trains the model %s", dir)
	} else if err != nil {
		return nil, fail.Wrap(fail.Usage, err, hint, "model folder %s", dir)
	}
	return func() {
		if made && !modeldir.Is(dir) {
			_ = os.Remove(lock)
			_ = os.Remove(dir) // fails if it contains something else
		}
		free()
	}, nil
}
