package head

import (
	"fmt"
	"math"
	"slices"

	"fx/internal/fail"
	"fx/internal/metrics"
)

// A training that converged has, in its last epoch, a training loss of at most divergedAbove times
// the loss of guessing, ln(classes). If the loss of some epoch was larger, the val losses must have
// come back too, with a wider limit: the val loss of a network that overfits may be many times that
// of guessing, and so may the first one of batch normalization with young statistics.
const (
	divergedAbove    = 10
	valDivergedAbove = 1000
)

// Diverged checks whether a training diverged, by its epochs, of which it keeps best (from 1), the
// number of classes, and whether the network gives every val photo the same logits at the end, as
// it does if its units are dead. It returns an error of kind fail.NonFinite that names the learning
// rate, or nil; kept describes what remains of the training.
func Diverged(classes int, epochs []metrics.Epoch, best int, sameLogits bool, lr float64, hint, kept string) error {
	guess := math.Log(float64(classes))
	last := epochs[len(epochs)-1]
	exploded := func(e metrics.Epoch) bool { return e.TrainLoss > divergedAbove*guess }
	what := ""
	switch worst := worseVal(last, epochs[best-1]); {
	case exploded(last):
		what = fmt.Sprintf("its train loss is %.3g in the last epoch, where guessing among %d classes has %.3g",
			last.TrainLoss, classes, guess)
	case worst.ValLoss > valDivergedAbove*guess && slices.ContainsFunc(epochs, exploded):
		what = fmt.Sprintf("its val loss is %.3g in epoch %d, where guessing among %d classes has %.3g",
			worst.ValLoss, worst.Epoch, classes, guess)
	case sameLogits:
		what = "the network gives every val photo the same logits: its units are dead"
	default:
		return nil
	}
	if kept != "" {
		what += "; " + kept
	}
	return fail.New(fail.NonFinite, hint, "the training diverged at --lr %g: %s", lr, what)
}

func worseVal(a, b metrics.Epoch) metrics.Epoch {
	if a.ValLoss > b.ValLoss {
		return a
	}
	return b
}
