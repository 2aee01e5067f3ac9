package finetune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"fx/backbones"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/weights"
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
		n, err = artifacts.FromFile(file, opened.FileOptions())
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

// openScratch is openNetwork for weights at random: those that the network's
// constructor would draw, and a fresh classifier as every other start has.
func openScratch(o extract.NetworkOptions, classes int, seed uint64) (*extract.Network, *artifacts.Network, error) {
	if isFile(o.Backbone) {
		return nil, nil, fail.New(fail.Usage, "Leave --scratch out, and export the network with random weights: scripts/export_onnx does so unless told otherwise.",
			"--scratch draws weights as the constructor of a registered network does, and can't tell how those of %s are drawn", o.Backbone)
	}
	b, err := backbones.Lookup(o.Backbone)
	if err != nil {
		return nil, nil, err
	}
	if o.Resize != 0 {
		b.Preprocess.Resize = o.Resize
	}
	if o.Crop != 0 {
		b.Preprocess.Crop = o.Crop
	}
	if err := b.Preprocess.Check(); err != nil {
		return nil, nil, fail.Wrap(fail.Usage, err, "Leave --resize and --crop out for the network's own.", "--resize and --crop")
	}
	initial, err := backbones.InitialWeights(b, seed)
	if err != nil {
		return nil, nil, err
	}
	n, err := artifacts.FromBackbone(b, initial, seed)
	if err != nil {
		return nil, nil, err
	}
	opened := &extract.Network{
		Backbone: b, Weights: fmt.Sprintf("initial weights of seed %d", seed), WeightsOrigin: "a seed", WeightsSHA256: fingerprint(initial),
		Notes: []string{fmt.Sprintf("the weights are random numbers of seed %d, drawn as the network's constructor in PyTorch does, not trained", seed)},
	}
	return opened, n, n.SetClasses(classes, seed)
}

// isFile tells an ONNX file of the user's own from a registered network's name.
func isFile(backbone string) bool { return strings.EqualFold(filepath.Ext(backbone), ".onnx") }

// fingerprint is the hash of weights that are in no file.
func fingerprint(values *weights.StateDict) string {
	h := sha256.New()
	for _, name := range values.Names() {
		t, _ := values.Get(name)
		fmt.Fprintf(h, "%s %s %v\n", name, t.DType, t.Shape)
		_, _ = h.Write(t.Data) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}
