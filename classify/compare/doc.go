// Package compare compares two trainings, see Folders.
//
// For two MODELs it returns the settings and results that differ; for two experiments the
// settings, and the mean result of each backbone and mode. Comparison.Accuracy and
// Mean.WithinChance tell whether a difference of accuracies is significant.
package compare
