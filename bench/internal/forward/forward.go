package forward

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fx/extract"
)

// WarmUp is how many batches each of Run's stages begins with that do not count:
// something is recorded or allocated at first.
const WarmUp = 3

// Run runs an embedder on batches that lie ready in memory, in as many stages as
// compute at once in `fx extract`, for about d, and returns the photos a second: what
// fx extract could do if photos were decoded in no time. Copies to the device and of
// the features back are part of it.
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
				cancel(err) // the first cause is the one that stays
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

// ready makes a function that embeds one batch of noise, in a stage of its own that
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

// fillNoise makes pixels that no operator finds easy.
func fillNoise(pixels []uint8) {
	for i := range pixels {
		pixels[i] = uint8(uint32(i) * 2654435761 >> 24) // Knuth's multiplicative hash
	}
}
