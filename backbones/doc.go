// Package backbones knows the pretrained networks that fx can use, and makes
// ONNX models of them. The common case is a network with its weights, and the part
// of it that turns a batch of photos into features:
//
//	n, err := backbones.Open(ctx, backbones.NetworkOptions{Backbone: "resnet18"}, progress.Discard)
//	features, err := n.Features() // onnx.Marshal makes it a file for ONNX Runtime
//
// The feature model takes "images", uint8 [batch, height, width, 3] as a decoder
// leaves them, normalises in the graph, and gives "features", float32
// [batch, Backbone.FeatureShape...]. A head trained on them is grafted on by
// Classifier.
//
// A network of the user's own is opened by the path of its ONNX file and goes on in
// the same way.
//
// The graphs of the registered networks lie in graphs/ without weights; the
// names of their parameters are those of torchvision's state_dict.
package backbones
