package finetune

import (
	"math"

	"fx/internal/training"
)

// rate returns the learning rate of a step, which counts from 0 over the whole
// run of epochs·perEpoch steps.
func (o Options) rate(step, perEpoch int) float64 {
	warmup := o.WarmupEpochs * float64(perEpoch)
	if s := float64(step); s < warmup {
		return o.LR * min((s+1)/warmup, 1)
	}
	switch o.Schedule {
	case training.Step:
		return o.LR * math.Pow(0.1, float64(step/perEpoch/o.StepEpochs))
	case training.Cosine:
		done := (float64(step) - warmup) / (float64(o.Epochs*perEpoch) - warmup)
		return o.MinLR + (o.LR-o.MinLR)*0.5*(1+math.Cos(math.Pi*done))
	}
	return o.LR
}
