// Package extract runs photos through a frozen network and keeps the embeddings.
//
//	o := extract.Options{Data: "photos", Store: "features"}
//	o.Embedder.Network.Backbone = "resnet18"
//	summary, err := extract.Run(ctx, o, progress.Discard)
//
// Run asks the store what is missing, computes just that, and can be killed at any
// moment: the same call goes on where it stopped. Memory is bounded by workers ×
// batch size, on a GPU by a few batches, whatever the number of photos.
//
// OpenNetwork finds a network and its weights and cuts it at its features. A
// FeatureNetwork needs no ONNX Runtime; its Embedder is on a device: pixels in,
// features out, a batch of views at a time in a Stage.
package extract
