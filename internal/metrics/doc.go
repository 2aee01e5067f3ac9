// Package metrics holds the results of a training, epoch by epoch, and of a classifier on labelled photos. All
// packages share these types. New computes them from a confusion matrix and a loss.
package metrics
