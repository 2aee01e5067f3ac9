// Package stats summarizes measurements that were taken in rounds.
//
// A benchmark reports medians, which one interrupted round does not move, with their
// range, and ratios round by round, because drift of the machine affects both sides of a
// round equally.
package stats
