package head

import (
	"fmt"
	"math"

	"fx/internal/fail"
)

// divergedAbove is how many times the loss of guessing, ln(classes), a training
// loss may be in the last epoch of a training that worked.
const divergedAbove = 10

// Diverged judges a training by its end: the train loss of its last epoch, in a
// choice of so many classes, and whether the network gives every val photo the
// same logits, as one does whose units are dead. It returns an error of kind
// fail.NonFinite that names the learning rate, or nil; kept says what the
// training leaves behind.
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
