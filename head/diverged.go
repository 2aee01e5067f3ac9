package head

import (
	"fmt"
	"math"

	"fx/internal/fail"
)

// divergedAbove is the limit of the last epoch's training loss as a multiple of the
// loss of guessing, ln(classes).
const divergedAbove = 10

// Diverged checks whether a training diverged, by the train loss of its last epoch, the
// number of classes, and whether the network gives every val photo the same logits, as
// it does if its units are dead. It returns an error of kind fail.NonFinite that names
// the learning rate, or nil; kept describes what remains of the training.
func Diverged(classes int, trainLoss float64, sameLogits bool, lr float64, hint, kept string) error {
	guess := math.Log(float64(classes))
	what := ""
	switch {
	case trainLoss > divergedAbove*guess:
		what = fmt.Sprintf("its train loss is %.3g in the last epoch, where guessing among %d classes has %.3g", trainLoss, classes, guess)
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
