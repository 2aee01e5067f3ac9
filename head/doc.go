// Package head trains the classifier on top of a frozen backbone from cached
// features, and evaluates it. Fit trains a head of a Layout on Data, Evaluate
// evaluates it, and a Predictor classifies one photo at a time.
//
// There are two heads, linear and SqueezeNet's 1×1 convolution (Kind), and two
// solvers (Solver): SGD follows torch.optim.SGD in float32 and keeps the epoch
// with the best val accuracy; L-BFGS finds the optimum that scikit-learn's
// LogisticRegression finds.
//
// CrossValidate chooses the penalty of L-BFGS and evaluates each photo with heads
// that were trained without it; LabelIssues uses such probabilities to find photos
// whose label looks wrong.
//
// All randomness is keyed by seed, epoch and photo, and sums have a fixed order: a
// training gives the same bits for any number of processors.
//
// The package depends on neither photos nor stores: Data.Row returns features row by
// row, and may return memory that a store has mapped.
package head
