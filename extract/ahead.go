package extract

import (
	"context"
	"slices"

	"fx/internal/source"
)

// fetchAhead returns photos, and those of the items in order from memory if reading them takes requests. The caller
// must call stop.
func fetchAhead(ctx context.Context, order []int, photos func(item int) source.Source) (
	fetched func(item int) source.Source, stop func()) {
	if !slices.ContainsFunc(order, func(item int) bool { return source.Remote(photos(item)) }) {
		return photos, func() {}
	}
	sources := make([]source.Source, len(order))
	place := make(map[int]int, len(order)) // of an item in order
	for i, item := range order {
		sources[i], place[item] = photos(item), i
	}
	ctx, stop = context.WithCancel(ctx)
	ahead := source.NewAhead(ctx, sources)
	return func(item int) source.Source { return ahead.Source(place[item]) }, stop
}
