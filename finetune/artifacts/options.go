package artifacts

import (
	"fmt"
	"math"

	"fx/finetune/autodiff"
	"fx/internal/fail"
	"fx/internal/training"
)

// The optimizers.
const (
	SGD   = training.SGD
	AdamW = training.AdamW
)

// Optimizer selects the optimizer and its settings. The learning rate is an input of
// the graph.
type Optimizer struct {
	Name     string  `json:"name"`     // SGD (or "") or AdamW
	Momentum float64 `json:"momentum"` // of SGD, 0 for none
	Nesterov bool    `json:"nesterov"` // of SGD
	// L2 in SGD, decoupled in AdamW, as in torch; torch's default for AdamW is 0.01
	WeightDecay float64 `json:"weight_decay"`
	Beta1       float64 `json:"beta1"`   // of AdamW; 0 means 0.9
	Beta2       float64 `json:"beta2"`   // of AdamW; 0 means 0.999
	Epsilon     float64 `json:"epsilon"` // of AdamW; 0 means 1e-8
}

// Options of the graphs. The zero value trains every parameter with plain SGD, one
// photo at a time.
type Options struct {
	// Trainable are patterns of parameter names, such as "layer4.*", where *
	// matches any text; nil trains every parameter. The others are inputs of
	// the graphs too, which the step does not change.
	Trainable []string `json:"trainable"`

	Optimizer Optimizer `json:"optimizer"`

	// Batch is the number of photos of a step; 0 means 1.
	Batch int `json:"batch"`

	// Precision is Float32 (or ""), BFloat16 or Float16. Eval is always float32.
	Precision string `json:"precision"`

	FrozenBatchNorm bool      `json:"frozen_batch_norm"` // use running statistics and don't update them
	LabelSmoothing  float64   `json:"label_smoothing"`
	ClassWeights    []float64 `json:"class_weights,omitempty"` // one for each class, or nil
	// bound on the norm of all gradients together, as torch.nn.utils.clip_grad_norm_; 0 for none
	ClipGradNorm float64 `json:"clip_grad_norm,omitempty"`
	// decay of the moving average of parameters and statistics, 0 for none
	EMA float64 `json:"ema,omitempty"`
	// of the learning rate for the head's parameters; 0 means 1
	HeadMultiplier  float64 `json:"head_lr_multiplier"`
	AuxiliaryWeight float64 `json:"auxiliary_weight"` // of an auxiliary head's loss; 0 means 0.4

	// FloatInput takes normalised floats [batch, 3, height, width] instead of
	// photos, uint8 [batch, height, width, 3].
	FloatInput bool `json:"float_input,omitempty"`

	// Kernels uses the ops of package kernels, which are faster on the CPU and
	// run only in fx.
	Kernels bool `json:"kernels,omitempty"`

	// Probe infers shapes, see autodiff.
	Probe autodiff.Probe `json:"-"`
}

func (o Options) resolved() (Options, error) {
	set := func(field *float64, value float64) {
		if *field == 0 {
			*field = value
		}
	}
	if o.Optimizer.Name == "" {
		o.Optimizer.Name = SGD
	}
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Precision == "" {
		o.Precision = Float32
	}
	set(&o.Optimizer.Beta1, 0.9)
	set(&o.Optimizer.Beta2, 0.999)
	set(&o.Optimizer.Epsilon, 1e-8)
	set(&o.HeadMultiplier, 1)
	set(&o.AuxiliaryWeight, 0.4)
	return o, o.check()
}

func (o Options) check() error {
	within := func(name string, v, low, high float64) error {
		if v >= low && v < high && !math.IsNaN(v) {
			return nil
		}
		return fail.New(fail.Usage, fmt.Sprintf("Give %s in [%g, %g).", name, low, high), "%s is %g", name, v)
	}
	for _, err := range []error{
		within("momentum", o.Optimizer.Momentum, 0, 1),
		within("weight decay", o.Optimizer.WeightDecay, 0, 1e6),
		within("beta1", o.Optimizer.Beta1, 0, 1),
		within("beta2", o.Optimizer.Beta2, 0, 1),
		within("epsilon", o.Optimizer.Epsilon, 0, 1),
		within("label smoothing", o.LabelSmoothing, 0, 1),
		within("clip-grad-norm", o.ClipGradNorm, 0, math.Inf(1)),
		within("EMA decay", o.EMA, 0, 1),
		within("head-lr-multiplier", o.HeadMultiplier, 0, 1e6),
		within("auxiliary weight", o.AuxiliaryWeight, 0, 1e6),
		within("batch size", float64(o.Batch), 1, 1<<20),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case o.Optimizer.Name != SGD && o.Optimizer.Name != AdamW:
		return fail.New(fail.Usage, "The optimizers are sgd and adamw.", "unknown optimizer %q", o.Optimizer.Name)
	case o.Precision != Float32 && o.low() == 0:
		return fail.New(fail.Usage, "The precisions are float32, bfloat16 and float16.", "unknown precision %q",
			o.Precision)
	case o.Optimizer.Nesterov && (o.Optimizer.Name != SGD || o.Optimizer.Momentum == 0):
		return fail.New(fail.Usage, "Give --optimizer sgd and a --momentum above 0 with --nesterov.",
			"Nesterov momentum needs a momentum")
	}
	for i, w := range o.ClassWeights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fail.New(fail.Usage, "Give weights of 0 or more.", "the weight of class %d is %g", i, w)
		}
	}
	return nil
}
