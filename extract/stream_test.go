package extract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"fx/internal/source"
)

// forms returns a pipeline of each form, on photos of a window.
func forms(t *testing.T, workers int) map[string]*pipeline {
	return map[string]*pipeline{
		"whole batches": newPipeline(t, &meanNetwork{batch: 4}, nil, workers, workers),
		"staged":        stagedPipeline(t, &stagedMean{meanNetwork: meanNetwork{batch: 4}}, nil, workers),
	}
}

// A stream's batches come out as they came in, short and empty ones too, and nothing of an emitted photo is kept.
func TestStreamedBatchesAreThoseOfTheFeed(t *testing.T) {
	paths := grays(t, 40, map[int]bool{3: true})
	sizes := []int{1, 0, 4, 3, 0, 0, 4, 2, 4, 4, 1, 1, 4, 4, 4}
	for _, workers := range []int{1, 3, 16} {
		for name, p := range forms(t, workers) {
			w := window{photos: map[int]source.Source{}}
			p.photos = w.photo
			fed, next := 0, 0
			feed := func(context.Context) []rowRef {
				if fed == len(sizes) {
					return nil
				}
				photos := []source.Source{}
				for range sizes[fed] {
					photos = append(photos, source.File(paths[next]))
					next++
				}
				fed++
				return w.add(photos)
			}
			var got []int
			item := 0
			err := p.stream(t.Context(), math.MaxInt, feed, func(refs []rowRef, r result) error {
				w.remove(refs)
				photos := embeddings(refs, r)
				got = append(got, len(photos))
				for _, photo := range photos {
					if (photo.Reason != "") != (item == 3) || item != 3 && photo.Features[0] != float32(item) {
						t.Errorf("%s, %d workers: photo %d has the features %v, %s", name, workers, item,
							photo.Features, photo.Reason)
					}
					item++
				}
				return nil
			})
			if err != nil || !slices.Equal(got, sizes) || len(w.photos) > 0 {
				t.Errorf("%s, %d workers: batches of %v, %d photos kept, %v", name, workers, got, len(w.photos), err)
			}
		}
	}
}

// A batch is emitted while its feed waits for the next one, and the end of the context ends the waiting.
func TestAFeedMayWait(t *testing.T) {
	paths := grays(t, 1, nil)
	for name, p := range forms(t, 3) {
		p.photos = func(int) source.Source { return source.File(paths[0]) }
		ctx, cancel := context.WithCancel(t.Context())
		fed := false
		feed := func(ctx context.Context) []rowRef {
			if fed {
				<-ctx.Done()
				return nil
			}
			fed = true
			return []rowRef{{item: 0}}
		}
		emitted := 0
		err := p.stream(ctx, math.MaxInt, feed, func([]rowRef, result) error {
			emitted++
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || emitted != 1 {
			t.Errorf("%s: %d batches, %v", name, emitted, err)
		}
		broken := fmt.Errorf("broken")
		fed = false
		if err := p.stream(t.Context(), math.MaxInt, feed, func([]rowRef, result) error {
			return broken
		}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
