package head

import (
	"math"

	"fx/internal/fail"
	"fx/internal/training"
)

// Solver is the algorithm that trains a head.
type Solver string

// The solvers.
const (
	// SGD is torch.optim.SGD with momentum on mini-batches.
	SGD Solver = training.SGD
	// LBFGS minimises the regularised loss of all photos to its optimum. It
	// supports Linear heads only: Conv1x1 has no single optimum because of its
	// ReLU, and LBFGS was measured to be slower there than SGD and no more accurate.
	LBFGS Solver = training.LBFGS
)

// Options of Fit. Zero values are not defaults: start from Defaults.
type Options struct {
	Solver Solver
	Seed   uint64 // of the initial parameters, the order of the photos, their views and dropout
	// ClassWeights multiply the loss of the photos of each class, as the weight
	// of torch.nn.CrossEntropyLoss does; nil weighs all equally. See Balanced.
	ClassWeights []float64

	// For SGD.

	Epochs      int
	BatchSize   int     // the short last batch of an epoch counts
	LR          float64 // learning rate, the same in every epoch
	Momentum    float64 // in [0, 1)
	WeightDecay float64 // added to the gradient, times the parameter (bias too, as torch does)
	// LastEpoch keeps the parameters of the last epoch, not those of the best val accuracy: the val photos then
	// choose nothing, and there need not be any.
	LastEpoch bool

	// For LBFGS.

	// L2 is the strength λ of the penalty in
	//
	//	mean cross entropy + λ/2 · Σ weight²
	//
	// without a penalty on the bias. scikit-learn's LogisticRegression has the
	// same optimum at C = 1/(λ·rows), for two classes at C = 2/(λ·rows) because
	// it penalises only their difference. 0 means 1/rows.
	L2 float64
	// Tolerance is the largest absolute derivative at which LBFGS stops; 0 means 1e-7.
	// Products are in float32 until derivatives reach its resolution, about 1e-7 times
	// the features' size, then in float64, which takes twice as long.
	Tolerance float64
	// Iterations is the limit of LBFGS's iterations; 0 means 1000.
	Iterations int
}

// Defaults returns the settings of PyTorch's tutorial "Finetuning Torchvision
// Models": SGD, 15 epochs, batches of 8, learning rate 0.001, momentum 0.9.
func Defaults() Options {
	d := training.Defaults()
	return Options{Solver: SGD, Epochs: d.Epochs, BatchSize: d.BatchSize, LR: d.LR, Momentum: d.Momentum}
}

// Balanced returns the class weights n/(classes·count) of the n photos of d, as
// scikit-learn's class_weight="balanced". A class without photos gets 0.
// Labels must be below classes.
func Balanced(d Data, classes int) []float64 {
	weights := make([]float64, classes)
	for c, count := range d.classCounts(classes) {
		if count > 0 {
			weights[c] = float64(len(d.Photos)) / float64(classes*count)
		}
	}
	return weights
}

// check returns an error of kind fail.Usage if o is invalid for l.
func (o Options) check(l Layout) error {
	sgd, lbfgs := o.Solver == SGD, o.Solver == LBFGS
	for _, c := range []struct {
		wrong      bool
		what, hint string
		value      any
	}{
		{!sgd && !lbfgs, "solver %q", `Solvers are "sgd" and "lbfgs".`, o.Solver},
		{sgd && o.Epochs < 1, "%d epochs", "Train for at least one epoch.", o.Epochs},
		{sgd && o.BatchSize < 1, "batches of %d photos", "Give a batch at least one photo.", o.BatchSize},
		{sgd && !(o.LR > 0 && finite(o.LR)), "learning rate %g", "Give a learning rate above 0, such as 0.001.", o.LR},
		{sgd && !(o.Momentum >= 0 && o.Momentum < 1), "momentum %g", "Give a momentum in [0, 1), such as 0.9.",
			o.Momentum},
		{sgd && !(o.WeightDecay >= 0 && finite(o.WeightDecay)), "weight decay %g",
			"Give a weight decay of 0 or more.", o.WeightDecay},
		{sgd && o.L2 != 0, "L2 penalty %g with the solver sgd", "For sgd, that is the weight decay; L2 is for lbfgs.",
			o.L2},
		{lbfgs && l.Kind != Linear, "the solver lbfgs on a head of kind %q",
			"Use --solver sgd: the ReLU of this head leaves no single optimum to find.", l.Kind},
		{lbfgs && !(o.L2 >= 0 && finite(o.L2)), "L2 penalty %g", "Give an L2 penalty above 0, or 0 for 1/rows.", o.L2},
		{lbfgs && o.WeightDecay != 0, "weight decay %g with the solver lbfgs", "For lbfgs, that is L2.", o.WeightDecay},
		{lbfgs && !(o.Tolerance >= 0 && finite(o.Tolerance)), "tolerance %g",
			"Give a tolerance above 0, such as 1e-7.", o.Tolerance},
		{lbfgs && o.Iterations < 0, "%d iterations", "Allow at least one iteration.", o.Iterations},
		{o.ClassWeights != nil && len(o.ClassWeights) != l.Classes, "%d class weights",
			"Give one weight for each class.", len(o.ClassWeights)},
	} {
		if c.wrong {
			return fail.New(fail.Usage, c.hint, "can't train with "+c.what, c.value)
		}
	}
	for class, w := range o.ClassWeights {
		if !(w >= 0 && finite(w)) {
			return fail.New(fail.Usage, "Give weights of 0 or more.", "class %d has weight %g", class, w)
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
