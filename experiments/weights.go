package experiments

import (
	"context"
	"errors"
	"fmt"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/pretrained"
	"fx/internal/progress"
	"fx/internal/weights"
)

// weightsFound are the initial weights of a pretrained network.
type weightsFound struct {
	weights weights.Ref // for backbones.NetworkOptions
	label   string      // for people
	sha256  string
	seeded  bool // random, so results say nothing about the pretrained network

	lookedFor bool // as in backbones.NetworkOptions
}

// findWeights finds a backbone's weights. Random ones replace them only if no source has them. A damaged file, one that
// can't be read and a full disk are errors.
func (m *matrix) findWeights(ctx context.Context, backbone Network, o backbones.NetworkOptions,
	report progress.Reporter,
) (weightsFound, error) {
	o.Weights, o.Lock = backbone.Weights, m.lock()
	if file := o.Weights.File; file != "" {
		o.Weights.File = m.file.relative(file)
	}
	opened, err := backbones.Open(ctx, o, report)
	if errors.Is(err, pretrained.ErrNowhere) && !m.file.WeightsIfMissing.IsZero() && ctx.Err() == nil {
		report.Note(fmt.Sprintf("the weights of %s can't be had: its runs take random ones, %s", backbone.Name,
			m.file.WeightsIfMissing))
		m.missing = append(m.missing, backbone.Name)
		o.Weights = m.file.WeightsIfMissing
		opened, err = backbones.Open(ctx, o, report)
	}
	if errors.Is(err, pretrained.ErrNowhere) && m.planOnly && ctx.Err() == nil {
		m.note(fmt.Sprintf("the weights of %s can't be had here: a run needs FX_WEIGHTS_DIR, or --weights-if-missing "+
			"seed:0", backbone.Name))
		o.Weights = weights.Seed(0) // the weights do not change the time
		if opened, err = backbones.Open(ctx, o, report); err == nil {
			return weightsFound{weights: o.Weights, label: "not at hand", sha256: opened.WeightsSHA256}, nil
		}
	}
	if err != nil {
		hint := ""
		if errors.Is(err, pretrained.ErrNowhere) {
			hint = fmt.Sprintf("Put them into FX_WEIGHTS_DIR, name a file in the experiment ({name: %s, weights: "+
				"FILE}), or give --weights-if-missing seed:0 for random ones.", backbone.Name)
		}
		return weightsFound{}, fail.Wrap(fail.KindOf(err), err, hint, "the backbone %s", backbone.Name)
	}
	m.inputs = append(m.inputs, opened.Inputs...)
	found := weightsFound{
		weights: opened.Weights, label: opened.Weights.Name(), sha256: opened.WeightsSHA256,
		seeded: opened.Weights.Random(), lookedFor: len(opened.Inputs) > 0,
	}
	if opened.Backbone.File != "" {
		found.weights = o.Weights // the network's own, or the file that the experiment names
	}
	return found, nil
}
