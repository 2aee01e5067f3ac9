// Package forward measures the frozen network of `fx extract` alone, on photos that
// are decoded already.
//
//	e, err := extract.OpenEmbedder(ctx, options, progress.Discard)
//	photosPerSecond, err := forward.Run(ctx, e, 2*time.Second)
package forward
