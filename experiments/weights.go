package experiments

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"fx/extract"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/progress"
)

// weightsFound is what a pretrained network starts from.
type weightsFound struct {
	weights string // for extract.NetworkOptions
	label   string // for people
	sha256  string
	seeded  bool // random, so that no result says anything of the network

	lookedFor bool // as of extract.NetworkOptions
}

// findWeights finds a backbone's weights, or those that take their place.
func (m *matrix) findWeights(ctx context.Context, backbone Network, o extract.NetworkOptions, report progress.Reporter) (weightsFound, error) {
	o.Weights, o.Lock = backbone.Weights, m.lock()
	if o.Weights != "" && !strings.HasPrefix(o.Weights, seedPrefix) {
		o.Weights = m.file.relative(o.Weights)
	}
	opened, err := extract.OpenNetwork(ctx, o, report)
	if err != nil && o.Weights == "" && !isFile(backbone.Name) && m.file.WeightsIfMissing != "" && ctx.Err() == nil && !errors.Is(err, lockfile.ErrHeld) {
		report.Note(fmt.Sprintf("the weights of %s can't be had: its runs take random ones, %s", backbone.Name, m.file.WeightsIfMissing))
		m.missing = append(m.missing, backbone.Name)
		o.Weights = m.file.WeightsIfMissing
		opened, err = extract.OpenNetwork(ctx, o, report)
	}
	if err != nil && fail.KindOf(err) == fail.Model && !errors.Is(err, lockfile.ErrHeld) && m.foresees && o.Weights == "" && !isFile(backbone.Name) && ctx.Err() == nil {
		m.note(fmt.Sprintf("the weights of %s can't be had here: a run needs FX_WEIGHTS_DIR, or --weights-if-missing seed:0", backbone.Name))
		o.Weights = seedPrefix + "0" // takes as long
		if opened, err = extract.OpenNetwork(ctx, o, report); err == nil {
			return weightsFound{weights: o.Weights, label: "not at hand", sha256: opened.WeightsSHA256}, nil
		}
	}
	if err != nil {
		hint := ""
		if !errors.Is(err, lockfile.ErrHeld) && fail.KindOf(err) == fail.Model && o.Weights == "" && !isFile(backbone.Name) {
			hint = fmt.Sprintf("Put them into FX_WEIGHTS_DIR, name a file in the experiment ({name: %s, weights: FILE}), or give --weights-if-missing seed:0 for random ones.", backbone.Name)
		}
		return weightsFound{}, fail.Wrap(fail.KindOf(err), err, hint, "the backbone %s", backbone.Name)
	}
	m.inputs = append(m.inputs, opened.Inputs...)
	found := weightsFound{weights: opened.Weights, label: filepath.Base(opened.Weights), sha256: opened.WeightsSHA256, lookedFor: len(opened.Inputs) > 0}
	if strings.HasPrefix(opened.Weights, seedPrefix) {
		found.label, found.seeded = opened.Weights, true
	}
	if opened.Backbone.File != "" {
		found.weights = o.Weights // its own, or the file that the experiment names
	}
	return found, nil
}
