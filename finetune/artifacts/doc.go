// Package artifacts writes the graphs that training runs on. FromBackbone returns a
// registered network, SetClasses gives it a classifier for the user's classes, Step
// returns the graph of a whole training step, and Initial its initial state.
//
// Each run of the step takes photos, labels, the learning rate, random numbers for
// dropout (Graph.Noise) and the state. It returns the loss, the number of correct
// predictions and the next state: for every Slot of Graph.State, the output Slot.Next
// replaces the input Slot.Name. Between runs the caller owns the state, which may
// stay on the device.
//
// Gradients and Update are the split form, which accumulates gradients over several
// batches; Eval evaluates. All graphs are ordinary ONNX, and any ONNX Runtime from
// 1.24 on loads them. Generate writes them with a checkpoint to a folder; Read reads
// the folder.
//
// With Options.Precision a step uses mixed precision. Its inputs and outputs stay
// float32; float16's loss scale is a Slot like momenta.
//
// Optimizers, losses, clipping and running statistics are torch's, to float32
// rounding; testdata holds the goldens.
package artifacts
