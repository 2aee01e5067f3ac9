package finetune

import (
	"context"
	"path/filepath"

	"fx/backbones"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/weights"
)

// skeletonName is the file of a RUN that holds the graph of a network of the
// user's own, without weights.
const skeletonName = "network.onnx"

// finish makes the RUN a MODEL of its best epoch and closes its books.
func (r *run) finish(ctx context.Context, s saved) (Result, error) {
	result := Result{
		BestValAccuracy: s.BestAccuracy, BestEpoch: s.BestEpoch, Epochs: s.Epochs, Seconds: s.Seconds,
		ParametersTrained: r.parameters(), TrainPhotos: len(r.plan.train), ValPhotos: len(r.plan.val),
		Classes: r.photos.Classes, Backbone: r.network.Name, Provider: r.provider, Why: r.engine.session().Why(),
		Decoder: r.photos.decoder.Name(), Rejected: r.record.Rejected, Skipped: r.photos.skipped(),
		Run: r.options.Out, Notes: r.record.Notes,
	}
	if err := r.writeModel(ctx, result); err != nil {
		return Result{}, fail.Wrap(fail.KindOf(err), err, "", "the model of the run %s", r.options.Out)
	}
	r.record.Status, r.record.Result = finished, &result
	return result, r.write(s.Epochs)
}

// writeModel writes what eval, predict and export read: the trained backbone
// is named by path and hash, and the head lies beside it.
func (r *run) writeModel(ctx context.Context, result Result) error {
	trained, err := r.trained()
	if err != nil {
		return err
	}
	path := filepath.Join(r.options.Out, trained.Weights.File)
	spec := r.network.Preprocess
	network := backbones.NetworkOptions{
		Backbone: trained.Name, Weights: weights.File(path), Resize: spec.Resize, Crop: spec.Crop,
	}
	if trained.File != "" {
		network.Backbone = filepath.Join(r.options.Out, trained.File)
	}
	// On the CPU: the GPU's memory is the training's still.
	o := extract.EmbedderOptions{Network: network, Library: r.options.Library, Device: ort.CPU}
	n, err := extract.OpenNetwork(ctx, o, r.report)
	if err != nil {
		return err
	}
	b := n.Backbone
	if b.FeatureShape == nil { // another input size: ONNX Runtime tells
		e, err := n.Embedder()
		if err != nil {
			return err
		}
		defer func() { _ = e.Close() }() // nothing is written through it
		b = e.Network.Backbone
	}
	state, _, err := weights.Read(path)
	if err != nil {
		return err
	}
	var params modeldir.Params
	for _, part := range []struct {
		name string
		to   *[]float32
	}{{b.Head.Weight, &params.Weight}, {b.Head.Bias, &params.Bias}} {
		t, ok := state.Get(part.name)
		if !ok && part.to == &params.Weight {
			return fail.New(fail.Model, "", "%s has no tensor %q", path, part.name)
		}
		if !ok { // a classifier without a bias
			*part.to = make([]float32, len(r.photos.Classes))
			continue
		}
		if *part.to, err = t.Float32s(); err != nil {
			return err
		}
	}
	trained.Weights.File = filepath.ToSlash(trained.Weights.File)
	trained.GraphSHA256, trained.WeightsSHA256 = n.GraphSHA256, n.WeightsSHA256
	m := modeldir.Model{
		Backbone:   trained,
		Preprocess: spec, EXIF: r.record.Settings.EXIF, Classes: r.photos.Classes,
		Mode: r.options.mode(), Seed: r.options.Seed,
		Data: r.record.Data, Extensions: r.options.Extensions, NoFollowLinks: r.record.Settings.NoFollowLinks,
		Head: modeldir.Head{
			Kind: string(b.Head.Kind), Features: b.Head.In, Positions: b.Head.Positions(), Dropout: b.Head.Dropout,
			WeightName: b.Head.Weight, BiasName: b.Head.Bias, FeatureShape: b.FeatureShape,
		},
		Options:  map[string]any{"finetune": r.record.Settings, "weights": r.record.Weights.String()},
		Versions: r.record.Versions, Notes: r.record.Notes, Untrained: r.opened.Untrained,
		Metrics: modeldir.Metrics{
			BestValAccuracy: result.BestValAccuracy, BestEpoch: result.BestEpoch, Seconds: result.Seconds,
			ParametersTrained: result.ParametersTrained, TrainSplit: r.photos.splits.Train, ValSplit: r.photos.splits.Val,
			TrainPhotos: result.TrainPhotos, ValPhotos: result.ValPhotos,
		},
	}
	for _, e := range result.Epochs {
		m.Metrics.ImagesPerSecond += e.TrainImagesPerSecond / float64(len(result.Epochs))
		m.Metrics.Epochs = append(m.Metrics.Epochs, metrics.Epoch{
			Epoch: e.Epoch, TrainLoss: e.TrainLoss, TrainAccuracy: e.TrainAccuracy, ValLoss: e.ValLoss, ValAccuracy: e.ValAccuracy,
		})
	}
	return modeldir.Save(r.options.Out, m, params)
}

// trained names the network of the best epoch by files in the RUN. The graph of
// a network of the user's own is written there: the RUN does not need its file.
func (r *run) trained() (modeldir.Backbone, error) {
	b := modeldir.Backbone{
		Name: r.network.Name, Weights: weights.File(filepath.Join(checkpointDir, bestName, artifacts.ModelFile)),
		WeightsOrigin: "fx finetune",
	}
	if r.opened.Backbone.File == "" {
		return b, nil
	}
	b.File = skeletonName
	skeleton, err := r.network.Skeleton()
	if err != nil {
		return b, err
	}
	return b, onnx.Save(filepath.Join(r.options.Out, b.File), skeleton)
}

// mode names the way of training as the MODEL does.
func (o Options) mode() string {
	switch {
	case o.Scratch:
		return modeldir.Scratch
	case o.HeadOnly:
		return modeldir.FeatureExtraction
	}
	return modeldir.Finetune
}
