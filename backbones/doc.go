// Package backbones knows the pretrained networks that fx can use, and makes
// ONNX models of them. The common case is the registered network, its weights,
// and the part of it that turns a batch of photos into features:
//
//	b, err := backbones.Lookup("resnet18")
//	weights, err := backbones.SeedWeights(b, 0) // or weights.Read of a file
//	model, err := backbones.Assemble(b, weights)
//	features, err := backbones.Features(model, b)
//	data, err := onnx.Marshal(features) // for ONNX Runtime
//
// The feature model takes "images", uint8 [batch, height, width, 3] as a decoder
// leaves them, normalises in the graph, and gives "features", float32
// [batch, Backbone.FeatureShape...]. A head trained on them is grafted on by
// Classifier.
//
// A network of the user's own comes from FromFile and goes on in the same way.
//
// The graphs of the registered networks lie in graphs/ without weights; the
// names of their parameters are those of torchvision's state_dict.
package backbones
