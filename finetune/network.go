package finetune

import (
	"context"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/progress"
)

// openNetwork finds what a training starts from, the network that o names with its
// weights or, with scratch, those that its constructor would draw, and gives it a
// fresh classifier for so many classes. seed decides what starts at random.
func openNetwork(
	ctx context.Context, o backbones.NetworkOptions, scratch bool, classes int, seed uint64, report progress.Reporter,
) (backbones.Description, *artifacts.Network, error) {
	opened, err := open(ctx, o, scratch, seed, report)
	if err != nil {
		return backbones.Description{}, nil, err
	}
	var n *artifacts.Network
	if file := opened.Backbone.File; file != "" {
		n, err = artifacts.FromFile(file, opened.FileOptions())
	} else {
		state, stateErr := opened.State()
		if stateErr != nil {
			return backbones.Description{}, nil, stateErr
		}
		n, err = artifacts.FromBackbone(opened.Backbone, state, seed)
	}
	if err != nil {
		return backbones.Description{}, nil, err
	}
	if err := n.CheckMaps(); err != nil {
		return backbones.Description{}, nil, err
	}
	return opened.Description, n, n.SetClasses(classes, seed)
}

func open(ctx context.Context, o backbones.NetworkOptions, scratch bool, seed uint64, report progress.Reporter,
) (*backbones.Network, error) {
	if scratch {
		return backbones.OpenInitial(o, seed)
	}
	return backbones.Open(ctx, o, report)
}
