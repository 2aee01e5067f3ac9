package backbones

import (
	"slices"
	"strings"

	"fx/internal/weights"
)

// adapt returns the weights sd as b's skeleton wants them, and their names under those of the network. Other than in
// sd are: a table of positions for photos of another size; and, if sd has no head on the features of b, a head of zeros
// in place of the one on other features.
func (b Backbone) adapt(sd *weights.StateDict) (*weights.StateDict, map[string]string, error) {
	given := canonicalNames(sd)
	skeleton, err := skeletonOf(b.row.Name)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range skeleton.Graph.Initializer {
		if !withoutData(t) { // a buffer that is the same for all weights, such as Swin's tables of indices
			delete(given, t.Name)
		}
	}
	for name := range given {
		if slices.ContainsFunc(b.row.Ignored, func(p string) bool { return strings.HasPrefix(name, p) }) {
			delete(given, name)
		}
	}
	changed := map[string]weights.Tensor{} // by the network's names
	if t := b.row.Tokens; t != nil && t.Positions != nil {
		if table, ok := sd.Get(given[t.Positions.Table]); ok {
			fitted, err := b.fitPositions(table)
			if err != nil {
				return nil, nil, err
			}
			changed[t.Positions.Table] = fitted
		}
	}
	if !b.hasHead(sd, given) {
		if h := b.row.Head; h != nil {
			delete(given, h.Weight)
			delete(given, h.Bias)
		}
		for name, shape := range map[string][]int{b.Head.Weight: {newHead, b.Head.In}, b.Head.Bias: {newHead}} {
			changed[name] = weights.FromFloat32(shape, make([]float32, Parameter{Shape: shape}.Len()))
		}
	}
	if len(changed) == 0 {
		return sd, given, nil
	}
	adapted := weights.NewStateDict()
	adapted.Metadata = sd.Metadata
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		adapted.Set(name, t)
	}
	for name, t := range changed {
		given[name] = ownPrefix + name
		adapted.Set(given[name], t)
	}
	return adapted, given, nil
}

// hasHead reports whether the head in sd is one on the features of b. That of the network's authors is not if b has
// another pooling; of weights that fx saved or finetuned, the metadata tells.
func (b Backbone) hasHead(sd *weights.StateDict, given map[string]string) bool {
	made, err := Lookup(sd.Metadata[MetaBackbone])
	switch {
	case err == nil && made.Pool != b.Pool:
		return false
	case b.Head.Classes > 0:
		return true
	case err != nil && b.row.Head != nil && b.row.Head.Weight == b.Head.Weight:
		return false
	}
	t, ok := sd.Get(given[b.Head.Weight])
	return ok && len(t.Shape) == 2 && t.Shape[1] == b.Head.In
}
