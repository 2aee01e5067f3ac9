// Package autodiff turns the graph of a network into a training graph: it adds
// nodes that compute a loss and the gradients of parameters, all of them ordinary
// ONNX operators, so that any ONNX Runtime can train. The common case:
//
//	graph, err := autodiff.New(model, autodiff.Options{
//		Trainable: []string{"fc.weight", "fc.bias"}, Batch: 8, Probe: ortprobe.New(runtime),
//	})
//	labels := graph.Build.Input(onnx.TensorInfo("labels", pb.TensorProto_INT64, 8))
//	loss := graph.CrossEntropy(graph.Outputs[0], labels, 1000, autodiff.LossOptions{})
//	gradients, err := graph.Backward(map[string]string{graph.Outputs[0]: loss.Seed})
//	step, err := graph.Finish(…the values to give back…)
//
// # How it works
//
// New copies the forward pass, node by node. Where training needs another form,
// the op's rule writes it: batch normalization with the batch's statistics,
// dropout as a product with a mask from outside, max pooling with its indices.
// Backward walks the nodes from the last to the first. Each node's rule turns
// the gradient of its outputs into gradients of its inputs by emitting a few
// nodes; the walker adds up what arrives at a value from several sides, undoes
// broadcasting, and leaves out whatever no trainable parameter needs.
//
// Options.Low makes it a mixed-precision graph: Casts are put between the nodes of
// the forward pass before anything else, so that products are computed in 16
// bits, and the gradient of a Cast is a Cast. Parameters and gradients at the
// border stay float32.
//
// # Adding an op
//
// The rules lie in one table, in the files rules_*.go, from simple to tricky. A
// new op is an entry there and a case in rules_test.go, which compares its
// gradients with finite differences; a rule without a case fails the tests. An
// op through which nothing flows back belongs into withoutGradient. In mixed
// precision an op that no list of precision.go names is computed in float32. A
// rule may emit whatever computes the gradient fastest: a kernel made for it,
// where a provider has one, goes behind the same entry.
//
// All shapes are fixed when the graph is made: Probe tells them, and the batch
// size is one of the Options. The package itself runs nothing.
package autodiff
