package finetune

import (
	"context"
	"path/filepath"

	"fx/backbones"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/training"
	"fx/internal/weights"
)

// skeletonName is the file of a RUN with the graph of the user's own network,
// without weights.
const skeletonName = "network.onnx"

// finish makes the RUN a MODEL of its best epoch and writes the final record.
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

// writeModel writes the MODEL that eval, predict and export read. It names the
// trained backbone by path and hash and contains the head.
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
	// On the CPU, because the training still uses the GPU's memory.
	o := extract.EmbedderOptions{Network: network, Environment: r.options.Environment}
	o.Device = ort.CPU
	n, err := extract.OpenNetwork(ctx, o, r.report)
	if err != nil {
		return err
	}
	b := n.Backbone
	if b.FeatureShape == nil { // another input size: ONNX Runtime infers the shape
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
	params, err := headParams(state, b.Head, len(r.photos.Classes))
	if err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "%s", path)
	}
	trained.Weights.File = filepath.ToSlash(trained.Weights.File)
	trained.GraphSHA256, trained.WeightsSHA256 = n.GraphSHA256, n.WeightsSHA256
	m := modeldir.Model{
		Backbone:   trained,
		Preprocess: spec, EXIF: r.record.Settings.EXIF, Classes: r.photos.Classes,
		Mode: r.options.mode(), Seed: r.options.Seed,
		Data: r.record.Data, Extensions: r.options.Photos.Extensions, NoFollowLinks: r.record.Settings.NoFollowLinks,
		Head: modeldir.Head{Layout: b.Head.Layout(len(r.photos.Classes)), WeightName: b.Head.Weight,
			BiasName: b.Head.Bias, FeatureShape: b.FeatureShape},
		Options:  training.NetworkRecord(r.record.Settings, r.record.Weights.String()),
		Versions: r.record.Versions, Notes: r.record.Notes, Untrained: r.opened.Untrained,
		Metrics: modelMetrics(result, r.photos.splits),
	}
	return modeldir.Save(r.options.Out, m, params)
}

// headParams returns the parameters of a head in a state dict. The bias is zero for a classifier without one.
func headParams(state *weights.StateDict, h backbones.Head, classes int) (p headspec.Params, err error) {
	t, ok := state.Get(h.Weight)
	if !ok {
		return p, fail.New(fail.Model, "", "there is no tensor %q", h.Weight)
	}
	if p.Weight, err = t.Float32s(); err != nil {
		return p, err
	}
	if t, ok = state.Get(h.Bias); !ok {
		p.Bias = make([]float32, classes)
		return p, nil
	}
	p.Bias, err = t.Float32s()
	return p, err
}

// modelMetrics returns the result in the form of a MODEL.
func modelMetrics(result Result, splits dataset.Splits) modeldir.Metrics {
	m := modeldir.Metrics{
		BestValAccuracy: result.BestValAccuracy, BestEpoch: result.BestEpoch, Seconds: result.Seconds,
		ParametersTrained: result.ParametersTrained, TrainSplit: splits.Train, ValSplit: splits.Val,
		TrainPhotos: result.TrainPhotos, ValPhotos: result.ValPhotos,
	}
	for _, e := range result.Epochs {
		m.ImagesPerSecond += e.TrainImagesPerSecond / float64(len(result.Epochs))
		m.Epochs = append(m.Epochs, metrics.Epoch{
			Epoch: e.Epoch, TrainLoss: e.TrainLoss, TrainAccuracy: e.TrainAccuracy,
			ValLoss: e.ValLoss, ValAccuracy: e.ValAccuracy,
		})
	}
	return m
}

// trained names the network of the best epoch by files in the RUN. It writes the
// graph of the user's own network there, so that the RUN does not need its file.
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

// mode returns the training mode as the MODEL names it.
func (o Options) mode() string {
	switch {
	case o.Scratch:
		return modeldir.Scratch
	case o.HeadOnly:
		return modeldir.FeatureExtraction
	}
	return modeldir.Finetune
}
