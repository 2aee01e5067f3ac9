// Package head trains the classifier on top of a frozen backbone from cached
// features, and judges it. The common case:
//
//	layout := head.Layout{Kind: head.Linear, Features: 512, Positions: 1, Classes: 2}
//	train := head.Data{Row: head.Matrix(values, 512), Photos: head.SingleViews(labels)}
//	result, err := head.Fit(ctx, layout, train, val, head.Defaults(), nil)
//	metrics, err := head.Evaluate(ctx, layout, result.Params, val)
//
// There are two heads, linear and SqueezeNet's 1×1 convolution (Kind), and two
// solvers (Solver): SGD follows torch.optim.SGD in float32 and keeps the epoch
// with the best val accuracy; L-BFGS finds the optimum that scikit-learn's
// LogisticRegression finds.
//
// CrossValidate chooses the penalty of L-BFGS and judges each photo by heads
// that had not seen it; LabelIssues finds by such probabilities the photos whose
// label looks wrong.
//
// All randomness is keyed by seed, epoch and photo, and sums have a fixed
// order: a training gives the same bits whatever the number of processors.
//
// The package knows neither photos nor stores: features come row by row through
// Data.Row, which may hand out memory that a store has mapped.
package head
