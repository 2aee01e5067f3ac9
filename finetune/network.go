package finetune

import (
	"context"
	"fmt"

	"fx/backbones"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/progress"
)

// openNetwork finds a network and its weights, and gives it a fresh classifier
// for so many classes. seed decides what starts at random.
func openNetwork(ctx context.Context, o extract.NetworkOptions, classes int, seed uint64, report progress.Reporter) (*extract.Network, *artifacts.Network, error) {
	opened, err := extract.OpenNetwork(ctx, o, report)
	if err != nil {
		return nil, nil, err
	}
	var n *artifacts.Network
	if file := opened.Backbone.File; file != "" {
		n, err = artifacts.FromFile(file, backbones.FileOptions{Resize: o.Resize, Crop: o.Crop, FeatureTensor: o.FeatureTensor})
	} else {
		state, stateErr := opened.State()
		if stateErr != nil {
			return nil, nil, stateErr
		}
		n, err = artifacts.FromBackbone(opened.Backbone, state, seed)
	}
	if err != nil {
		return nil, nil, err
	}
	return opened, n, n.SetClasses(classes, seed)
}

// scratch are the weights of a network that starts at random.
func scratch(seed uint64) string { return fmt.Sprintf("seed:%d", seed) }
