package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fx/bench/internal/command"
)

// secondRun is a way in which an extraction is run again.
type secondRun struct {
	name, title string
	flags       []string
	touch       bool // some photos have another time than when they were cached
}

var secondRuns = []secondRun{
	{"1-unchanged", "nothing changed", nil, false},
	{"2-touched", fmt.Sprintf("%d photos have a new time", touched), nil, true},
	{"3-verified", "nothing changed, --verify-content", []string{"--verify-content"}, false},
}

func againContests(w *workshop) []contest {
	var all []contest
	for i, again := range secondRuns {
		c := contest{
			section: "again", name: again.name, title: again.title, terms: count(w.again) + " photos",
			sides: []side{fxSide}, rounds: w.rounds,
			prepare: func(ctx context.Context, o *outcome) (map[string]job, error) { return w.prepareAgain(ctx, again, o) },
		}
		if i == len(secondRuns)-1 {
			c.cleanup = func() error { return w.clear("again") }
		}
		all = append(all, c)
	}
	return all
}

// prepareAgain caches the photos, unless a contest before this one did.
func (w *workshop) prepareAgain(ctx context.Context, again secondRun, o *outcome) (map[string]job, error) {
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
func (w *workshop) touch(dir string) error {
	now := time.Now()
	for i := range touched {
		if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(w.photos.name(i))), now, now); err != nil {
			return err
		}
	}
	return nil
}
