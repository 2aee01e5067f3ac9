// Package extract runs photos through a frozen network and stores the embeddings.
//
// Run asks the store what is missing and computes only that. It can be killed at any time;
// the same call then continues. The memory for photos is bounded by workers × batch size, on
// a GPU by a few batches.
//
// OpenNetwork finds a network and its weights and cuts the network at its features. A
// FeatureNetwork needs no ONNX Runtime. Its Embedder is on a device: it converts pixels to
// features, one batch of views at a time in a Stage.
package extract
