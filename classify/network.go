package classify

import (
	"context"
	"errors"
	"fmt"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/pretrained"
	"fx/internal/progress"
	"fx/internal/weights"
)

// openFirst opens the network that o names, or the first of candidates whose weights are found. If the system fails to
// read some, it returns that error and opens no other network. It returns o with the found weights, so that nothing is
// searched for twice, and notes about the choice.
func openFirst(ctx context.Context, o backbones.NetworkOptions, candidates []string, watch progress.Reporter,
) (backbones.NetworkOptions, backbones.Description, []string, error) {
	const hint = "Name weights that you have with --backbone and --weights; --weights seed:0 makes random ones."
	if o.Backbone != "" {
		candidates = []string{o.Backbone}
	} else if !o.Weights.IsZero() {
		candidates = candidates[:1]
	}
	candidates, err := lockedIn(o.Lock, candidates)
	if err != nil {
		return o, backbones.Description{}, nil, err
	}
	var notes []string
	for i, name := range candidates {
		o.Backbone = name
		network, err := backbones.Open(ctx, o, watch)
		if err == nil {
			o.LookedFor = o.LookedFor || o.Weights.IsZero() // extract opens it again, by its path
			o.Weights = network.Weights
			if network.Backbone.File != "" {
				o.Weights = weights.Ref{}
			}
			return o, network.Description, append(notes, network.Notes...), nil
		}
		if i == len(candidates)-1 || fail.KindOf(err) == fail.Usage || fail.BySystem(err) || ctx.Err() != nil ||
			errors.Is(err, lockfile.ErrHeld) {
			// The error's own hint is better for a misspelt name, a failing system, and a lock that allows no other
			// weights.
			if fail.KindOf(err) == fail.Usage || fail.BySystem(err) || errors.Is(err, lockfile.ErrHeld) {
				return o, backbones.Description{}, notes, err
			}
			return o, backbones.Description{}, notes, fail.Wrap(fail.KindOf(err), err, hint, "the network")
		}
		// The notes of the search, which watch has, say why.
		watch.Note(fmt.Sprintf("the weights of %s can't be had; trying %s", name, candidates[i+1]))
		notes = append(notes, fmt.Sprintf("the weights of %s can't be had: %v; trying %s", name, err, candidates[i+1]))
	}
	return o, backbones.Description{}, notes, fail.New(fail.Other, hint, "no network to choose from")
}

// lockedIn returns the candidates whose weights the lock names, or all if it names none: another machine uses only the
// network of the machine that wrote the lock.
func lockedIn(lock lockfile.Lock, candidates []string) ([]string, error) {
	var named []string
	for _, name := range candidates {
		if _, found, err := lock.Want(pretrained.InputName(name)); err != nil {
			return nil, err
		} else if found {
			named = append(named, name)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return candidates, nil
}
