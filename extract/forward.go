package extract

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// ForwardWarmUp is how many batches each of Forward's runs begins with that do not
// count: something is recorded or allocated at first.
const ForwardWarmUp = 3

// Forward runs an open embedder on batches that lie ready in memory, in as many
// runs at once as Run has, for about d, and returns the photos a second: what
// Run could do if photos were decoded in no time. Copies to the device and of the
// features back are part of it. It is for measurements.
func Forward(ctx context.Context, e *Embedder, d time.Duration) (photosPerSecond float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lanes := e.pipeline(nil, 0, nil).runs
	var warm, all sync.WaitGroup
	warm.Add(lanes)
	start := make(chan time.Time)
	var batches atomic.Int64
	for range lanes {
		all.Go(func() {
			embed, closeLane, err := e.lane()
			defer closeLane()
			for i := 0; i < ForwardWarmUp && err == nil; i++ {
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
	for range lanes {
		start <- begun
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(batches.Load()*int64(e.batch)) / time.Since(begun).Seconds(), nil
}

// lane makes a function that embeds one batch of noise, in memory of its own that
// closeLane frees.
func (e *Embedder) lane() (embed func(context.Context) error, closeLane func(), err error) {
	nothing := func() {}
	features := make([]float32, e.batch*e.FeatureLen())
	if !e.pipeline(nil, 0, nil).staged {
		pixels := make([]uint8, e.batch*viewLen(e.Preprocess()))
		fillNoise(pixels)
		return func(ctx context.Context) error { return e.Embed(ctx, pixels, features) }, nothing, nil
	}
	s, err := e.newStage()
	if err != nil {
		return nil, nothing, err
	}
	fillNoise(s.pixels())
	return func(ctx context.Context) error { return s.embed(ctx, features) }, s.close, nil
}

// fillNoise makes pixels that no operator finds easy.
func fillNoise(pixels []uint8) {
	for i := range pixels {
		pixels[i] = uint8(uint32(i) * 2654435761 >> 24) // Knuth's multiplicative hash
	}
}
