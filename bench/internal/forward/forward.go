package forward

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fx/extract"
)

// WarmUp is the number of untimed batches at the start of each of Run's stages, which
// record graphs or allocate memory.
const WarmUp = 3

// Run runs an embedder on batches in memory for about d, in as many stages as `fx extract`
// runs at once, and returns the photos a second: the limit of fx extract without
// decoding. The copies to and from the device are included.
func Run(ctx context.Context, e *extract.Embedder, d time.Duration) (photosPerSecond float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var warm, all sync.WaitGroup
	warm.Add(e.Runs())
	start := make(chan time.Time)
	var batches atomic.Int64
	for range e.Runs() {
		all.Go(func() {
			embed, closeStage, err := ready(e)
			defer closeStage()
			for i := 0; i < WarmUp && err == nil; i++ {
				err = embed(ctx)
			}
			warm.Done()
			begun := <-start
			for err == nil && time.Since(begun) < d {
				if err = embed(ctx); err == nil {
					batches.Add(1)
				}
			}
			if err != nil {
				cancel(err) // the first cause is kept
			}
		})
	}
	warm.Wait()
	begun := time.Now()
	for range e.Runs() {
		start <- begun
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(batches.Load()*int64(e.BatchSize())) / time.Since(begun).Seconds(), nil
}

// ready returns a function that embeds one batch of noise, in its own stage, which
// closeStage frees.
func ready(e *extract.Embedder) (embed func(context.Context) error, closeStage func(), err error) {
	stage, err := e.NewStage()
	if err != nil {
		return nil, func() {}, err
	}
	fillNoise(stage.Pixels())
	features := make([]float32, e.BatchSize()*e.FeatureLen())
	return func(ctx context.Context) error { return stage.Embed(ctx, features) }, stage.Close, nil
}

// fillNoise fills pixels with noise, which no operator can shortcut.
func fillNoise(pixels []uint8) {
	for i := range pixels {
		pixels[i] = uint8(uint32(i) * 2654435761 >> 24) // Knuth's multiplicative hash
	}
}
