// Package ortprobe asks ONNX Runtime for the shapes of a graph's values, as
// package autodiff needs them:
//
//	graph, err := autodiff.New(model, autodiff.Options{Batch: 8, Probe: ortprobe.New(runtime), …})
//
// A session is made, never run: ONNX Runtime's shape inference, which follows
// the sizes that exporters compute in the graph, answers.
package ortprobe
