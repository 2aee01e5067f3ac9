package classify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"fx/backbones"
	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/imaging"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/weights"
)

// Options for applying a MODEL to photos.
type Options struct {
	Model    string                  // MODEL folder
	Embedder extract.EmbedderOptions // device and sizes; its Network.Weights are the weights' new place, if any
	Photos   dataset.Options         // which files are photos
	Force    bool                    // Export replaces another file at its out, see outpath.Prepare
}

// classifier is an open MODEL.
type classifier struct {
	model    modeldir.Model
	params   head.Params
	embedder *extract.Embedder
	decoder  *imaging.Decoder
}

// open finds the backbone of the MODEL (m, p) by its hash and puts it on a device. photos is the number of photos.
func open(ctx context.Context, o Options, m modeldir.Model, p headspec.Params, photos int,
	report progress.Reporter) (*classifier, error) {
	c := &classifier{model: m, params: p}
	var err error
	if c.decoder, err = o.Embedder.NewDecoder(imaging.Options{EXIF: m.EXIF, FastDecode: m.FastDecode}); err != nil {
		return nil, err
	}
	c.decoder = c.decoder.For(m.Preprocess.Resize)
	o.Embedder = o.Embedder.ForFew(photos)
	network, err := networkOf(ctx, m, o.Embedder, report)
	if err != nil {
		return nil, err
	}
	if c.embedder, err = network.Embedder(); err != nil {
		return nil, err
	}
	return c, nil
}

// networkOf finds the backbone that the MODEL was trained on.
func networkOf(ctx context.Context, m modeldir.Model, o extract.EmbedderOptions, report progress.Reporter,
) (*extract.FeatureNetwork, error) {
	o.Network = networkOptions(m, o.Network.Weights, report)
	n, err := extract.OpenNetwork(ctx, o, report)
	if err != nil && ctx.Err() == nil {
		return nil, fail.Wrap(fail.Model, err,
			fmt.Sprintf("The model was trained on %s (SHA-256 %.12s…); name where it lies now with --weights.",
				m.Backbone.Weights, m.Backbone.WeightsSHA256), "the backbone of the model")
	} else if err != nil {
		return nil, err
	}
	if n.GraphSHA256 != m.Backbone.GraphSHA256 {
		return nil, fail.New(fail.Model, "Extract the features and train the head again with this fx.",
			"the network %s of this fx is not the one that the model was trained on (graph %.12s…, not %.12s…)",
			m.Backbone.Name, n.GraphSHA256, m.Backbone.GraphSHA256)
	}
	if shape := n.Backbone.FeatureShape; shape != nil && !slices.Equal(shape, m.Head.FeatureShape) {
		return nil, fail.New(fail.Model, "Train the head again with `fx fit-head`.",
			"the network gives features %v, the head takes %v", shape, m.Head.FeatureShape)
	}
	return n, nil
}

// networkOptions identifies the backbone that the MODEL was trained on by its hash. at, if not zero, is where its
// weights are now.
func networkOptions(m modeldir.Model, at weights.Ref, report progress.Reporter) backbones.NetworkOptions {
	file := m.Backbone.File
	switch own := m.Backbone.Weights; {
	case file != "" && backbones.IsFile(at.File):
		file, at = at.File, weights.Ref{} // the file moved
	case file != "" && at.IsZero() && own != weights.File(file):
		at = own
	case file == "" && at.IsZero():
		at = own
		if _, err := os.Stat(own.File); errors.Is(err, fs.ErrNotExist) && !own.Random() {
			report.Note(fmt.Sprintf("the backbone's weights are no longer at %s; looking for others with the same "+
				"SHA-256", own))
			at = weights.Ref{}
		}
	}
	o := backbones.NetworkOptions{
		Backbone: m.Backbone.Name, Weights: at, FeatureTensor: m.Backbone.FeatureTensor,
		Resize: m.Preprocess.Resize, Crop: m.Preprocess.Crop, SHA256: m.Backbone.WeightsSHA256,
	}
	if file != "" {
		o.Backbone, o.Normalization = file, m.Preprocess.Normalization()
	}
	return o
}

func (c *classifier) close() { _ = c.embedder.Close() } // nothing is written through it
