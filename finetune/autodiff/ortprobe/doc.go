// Package ortprobe infers the shapes of a graph's values with ONNX Runtime. New returns
// the Probe of autodiff.Options.
//
// It creates a session but never runs it: ONNX Runtime's shape inference also follows
// the sizes that exporters compute in the graph.
package ortprobe
