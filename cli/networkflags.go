package cli

import (
	urfave "github.com/urfave/cli/v2"

	"fx/backbones"
	"fx/internal/lockfile"
	"fx/internal/weights"
)

// networkOptions reads the flags that name a network and its weights; those that a
// command does not have are left out.
func networkOptions(c *urfave.Context) (backbones.NetworkOptions, error) {
	from, err := weights.ParseRef(c.String("weights"))
	return backbones.NetworkOptions{
		Backbone: c.String("backbone"), Weights: from, FeatureTensor: c.String("feature-tensor"),
		Resize: c.Int("resize"), Crop: c.Int("crop"), Lock: lockfile.At(c.String("lock")),
	}, err
}
