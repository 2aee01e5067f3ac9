// Package compare sets two trainings beside each other and keeps what differs:
//
//	c, err := compare.Folders(ctx, "model", "run")
//
// Two MODELs differ in settings and results; two experiments in settings and in the
// mean result of each backbone and mode. Whether a difference of accuracies means
// anything on so few photos or seeds, Comparison.Accuracy and Mean.WithinChance say.
package compare
