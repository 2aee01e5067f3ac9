// Package extract runs photos through a frozen network and keeps the embeddings.
//
//	embedder, err := extract.OpenEmbedder(ctx, extract.EmbedderOptions{Backbone: "resnet18"}, report)
//	defer embedder.Close()
//	summary, err := extract.Run(ctx, embedder, extract.Options{Data: photos, Store: "features"}, report)
//
// An Embedder is a network with its weights on a device: pixels in, features
// out. Run asks the store what is missing, computes just that, and can be killed
// at any moment: the same call goes on where it stopped. Memory is bounded by
// workers × batch size, on a GPU by a few batches, whatever the number of photos.
package extract
