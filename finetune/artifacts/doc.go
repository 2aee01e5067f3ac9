// Package artifacts writes the graphs that training runs on. The common case is
// a registered network, a fresh classifier for the user's classes, and the graph
// that does a whole step:
//
//	network, err := artifacts.FromBackbone(backbone, weights, seed)
//	err = network.SetClasses(2, seed)
//	step, err := network.Step(artifacts.Options{
//		Optimizer: artifacts.Optimizer{Momentum: 0.9}, Batch: 8, Probe: ortprobe.New(runtime),
//	})
//	state, err := network.Initial(step)
//
// Each run of step.Model takes photos, labels, the learning rate, random numbers
// for dropout (Graph.Noise) and the state, and gives the loss, the number of
// right predictions and the next state: for every Slot of Graph.State the output
// Slot.Next takes the place of the input Slot.Name. What happens between runs is
// the caller's: the state may stay on the device.
//
// For gradients over several batches there is the split form, Gradients and
// Update; Eval judges. All are ordinary ONNX, any ONNX Runtime from 1.24 on loads
// them. Generate writes them with a checkpoint into a folder, Read reads it back.
//
// Options.Precision makes steps of mixed precision. Their inputs and outputs stay
// float32; the loss scale of float16 is a Slot as momenta are.
//
// Optimizers, losses, clipping and running statistics are torch's, to float32
// rounding; testdata holds the goldens.
package artifacts
