package finetune

import "math"

// The schedules of the learning rate.
const (
	constantSchedule = "constant"
	stepSchedule     = "step"   // torch.optim.lr_scheduler.StepLR with gamma 0.1
	cosineSchedule   = "cosine" // from the full rate to 0 along half a cosine, step by step
)

// stepEpochs is the tutorial's step size ("Transfer Learning for Computer Vision").
const stepEpochs = 7

// rate returns the learning rate of a step, which counts from 0 over the whole
// run of epochs·perEpoch steps.
func (o Options) rate(step, perEpoch int) float64 {
	warmup := o.WarmupEpochs * float64(perEpoch)
	if s := float64(step); s < warmup {
		return o.LR * min((s+1)/warmup, 1)
	}
	switch o.Schedule {
	case stepSchedule:
		every := o.StepEpochs
		if every == 0 {
			every = stepEpochs
		}
		return o.LR * math.Pow(0.1, float64(step/perEpoch/every))
	case cosineSchedule:
		done := (float64(step) - warmup) / (float64(o.Epochs*perEpoch) - warmup)
		return o.LR * 0.5 * (1 + math.Cos(math.Pi*done))
	}
	return o.LR
}
