package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fx/bench/internal/command"
)

// secondRun is a variant of a repeated extraction.
type secondRun struct {
	name, title string
	flags       []string
	touch       bool // the times of some photos have changed since they were cached
}

var secondRuns = []secondRun{
	{"1-unchanged", "nothing changed", nil, false},
	{"2-touched", fmt.Sprintf("%d photos have a new time", touched), nil, true},
	{"3-verified", "nothing changed, --verify-content", []string{"--verify-content"}, false},
}

func againComparisons(w *environment) []comparison {
	var all []comparison
	for i, again := range secondRuns {
		c := comparison{
			section: "again", name: again.name, title: again.title, terms: count(w.again) + " photos",
			sides: []side{fxSide}, rounds: w.rounds,
			prepare: func(ctx context.Context, o *outcome) (map[string]job, error) {
				return w.prepareAgain(ctx, again, o)
			},
		}
		if i == len(secondRuns)-1 {
			c.cleanup = func() error { return w.clear("again") }
		}
		all = append(all, c)
	}
	return all
}

// prepareAgain caches the photos, unless an earlier comparison did.
func (w *environment) prepareAgain(ctx context.Context, again secondRun, o *outcome) (map[string]job, error) {
	weights, trained, err := w.weights(ctx, "squeezenet1_1")
	if err != nil {
		return nil, err
	}
	if err := o.know("trained", trained); err != nil {
		return nil, err
	}
	dir, err := w.photos.grow(ctx, w.again, w.log)
	if err != nil {
		return nil, err
	}
	store, err := w.scratch("again", "store")
	if err != nil {
		return nil, err
	}
	w.log("caching %s photos", count(w.again))
	fill := w.extract("squeezenet1_1", weights, dir, store)
	if _, err := command.Output(ctx, fill[0], fill[1:]...); err != nil {
		return nil, err
	}
	var before func() error
	if again.touch {
		before = func() error { return w.touch(dir) }
	}
	return map[string]job{"fx": {
		before:   before,
		commands: always(w.extract("squeezenet1_1", weights, dir, store, again.flags...)),
		check:    expect(map[string]float64{"images": float64(w.again), "computed": 0, "cached": float64(w.again)}),
	}}, nil
}

// touch gives the first photos of a grown tree a new time.
func (w *environment) touch(dir string) error {
	now := time.Now()
	for i := range touched {
		if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(w.photos.name(i))), now, now); err != nil {
			return err
		}
	}
	return nil
}
