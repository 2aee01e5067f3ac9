// Package command runs other programs for the benchmarks: for what they print,
//
//	text, err := command.Output(ctx, "fx", "backbones", "list")
//
// or for what they cost, as [Measure] counts it.
package command
