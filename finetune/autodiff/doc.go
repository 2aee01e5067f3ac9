// Package autodiff turns the graph of a network into a training graph: it adds
// nodes that compute a loss and the gradients of parameters, all of them ordinary
// ONNX operators, so that any ONNX Runtime can train. New writes the forward pass,
// CrossEntropy the loss, Backward the gradients, and Finish returns the model.
//
// # How it works
//
// New copies the forward pass, node by node. If training needs another form of an op,
// the op's rule writes it: batch normalization with the batch's statistics, dropout
// as a product with a mask that is an input, max pooling with its indices. Backward
// walks the nodes from the last to the first. Each node's rule emits a few nodes that
// compute the gradients of its inputs from those of its outputs; the walker sums the
// gradients of a value with several uses, undoes broadcasting, and skips everything
// that no trainable parameter needs.
//
// Options.Low selects mixed precision: New first inserts Casts into the forward pass,
// so that products are computed in 16 bits; the gradient of a Cast is a Cast. The
// graph's inputs and outputs, such as parameters and gradients, stay float32.
//
// # Adding an op
//
// The rules are one table, in the files rules_*.go, from simple to tricky. A new op
// needs an entry there and a case in rules_test.go, which compares its gradients with
// finite differences; a rule without a case fails the tests. Ops that pass no gradient
// are listed in withoutGradient. In mixed precision, ops that precision.go does not
// list are computed in float32. A rule may emit any nodes; if a provider has a special
// kernel for the gradient, the same entry may use it.
//
// All shapes are fixed when the graph is built: Probe infers them, and the batch size
// is one of the Options. Probe also evaluates the integers that depend on shapes alone,
// such as pads, so that a rule can read them. The package itself runs nothing.
//
// Where the gradient is not unique, the rules do what torch does: at a kink Relu has
// gradient zero; equal values share that of Max, Min, ReduceMax and ReduceMin.
package autodiff
