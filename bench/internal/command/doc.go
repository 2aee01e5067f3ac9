// Package command runs other programs for the benchmarks: [Output] returns their output,
// and [Measure] their time and memory.
package command
