// Package backbones has the registry of pretrained networks and builds ONNX models of
// them. Open opens a network with its weights, and Features returns the part of it that
// turns a batch of photos into features.
//
// The feature model takes "images", uint8 [batch, height, width, 3] as decoded,
// normalises them in the graph, and returns "features", float32
// [batch, Backbone.FeatureShape...]. Classifier adds a trained head to it.
//
// Open also takes the path of the user's own ONNX file in place of a registered name.
//
// The graphs of the registered networks are in graphs/, without weights; their
// parameters have the names of torchvision's state_dict.
package backbones
