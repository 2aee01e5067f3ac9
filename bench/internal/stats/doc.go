// Package stats sums up measurements that were taken in rounds.
//
// A benchmark reports medians, which an interruption of one round does not
// move, the range beside them, and ratios round by round, since what drifts on
// a machine meets both sides of a round alike.
package stats
