package main

import (
	"context"
	"fmt"
	"os"
)

const (
	torchAtMost   = 1000    // photos that PyTorch's script takes too
	float32AtMost = 10_000  // photos whose embeddings are kept in float32: 86,528 values a photo
	keepAtMost    = 100_000 // photos of a tree that is kept for the next run
)

func scaleComparisons(w *environment) []comparison {
	counts, _ := w.scales() // checked before
	var all []comparison
	for _, n := range counts {
		sides := []side{fxSide}
		if n <= torchAtMost {
			sides = append(sides, torchSide)
		}
		c := comparison{
			section: "scale", name: fmt.Sprintf("%07d", n), title: count(n), sides: sides, rounds: 1,
			prepare: func(ctx context.Context, o *outcome) (map[string]job, error) { return w.prepareScale(ctx, n, o) },
		}
		c.cleanup = func() error {
			if n >= keepAtMost {
				if err := w.photos.remove(n); err != nil {
					return err
				}
			}
			return w.clear("scale")
		}
		all = append(all, c)
	}
	return all
}

func (w *environment) prepareScale(ctx context.Context, n int, o *outcome) (map[string]job, error) {
	weights, trained, err := w.weights(ctx, "squeezenet1_1")
	if err != nil {
		return nil, err
	}
	if err := o.know("trained", trained); err != nil {
		return nil, err
	}
	dir, err := w.photos.grow(ctx, n, w.log)
	if err != nil {
		return nil, err
	}
	store, err := w.scratch("scale", "store")
	if err != nil {
		return nil, err
	}
	var dtype []string
	if n > float32AtMost {
		dtype = []string{"--dtype", "float16"}
	}
	jobs := map[string]job{"fx": {
		before:   func() error { return os.RemoveAll(store) },
		commands: always(w.extract("squeezenet1_1", weights, dir, store, dtype...)),
		check:    expect(map[string]float64{"images": float64(n), "computed": float64(n)}),
	}}
	if n > torchAtMost {
		return jobs, nil
	}
	tuned, err := w.tunedBefore(ctx, weights, o)
	if err != nil {
		return nil, err
	}
	argv := append(w.peer("torch_embed.py", "--backbone", "squeezenet1_1", "--weights", weights, "--data", dir,
		"--out", store+".npy"), tuned.arguments()...)
	jobs["torch"] = job{commands: always(argv), check: expect(map[string]float64{"images": float64(n)})}
	return jobs, nil
}

// tunedBefore returns the setup that the first section found, if it was measured.
func (w *environment) tunedBefore(ctx context.Context, weights string, o *outcome) (setup, error) {
	first, ok, err := readOutcome(outcomePath(w.raw(), "embeddings", "squeezenet1_1"))
	if err != nil {
		return setup{}, err
	}
	if ok && first.Setting.differs(w.setting) == "" {
		if swept, ok := first.Facts["tuned"]; ok && o.Facts["tuned"] == nil {
			if err := o.know("tuned", swept); err != nil {
				return setup{}, err
			}
		}
	}
	return w.tune(ctx, "squeezenet1_1", weights, o)
}
