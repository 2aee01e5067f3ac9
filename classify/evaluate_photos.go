package classify

import (
	"context"
	"slices"
	"strings"

	"fx/extract"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/store"
)

// EvaluatedPhoto is a MODEL's word on one photo of known class.
type EvaluatedPhoto struct {
	metrics.Prediction
	Path     string       // relative to the data, as in store.Row
	SHA256   store.SHA256 // of the photo
	Features []float32    // [Head.Features]: a map is averaged over its positions; nil unless chosen
}

// EvaluatePhotos is EvaluateStore by the split that the MODEL was evaluated on in training, with
// the photos in the order of the evaluation's predictions. choose, nil for none, returns the
// indexes of those whose features are wanted too.
func EvaluatePhotos(
	ctx context.Context, model, features string, choose func(metrics.Evaluation) []int,
) (Evaluation, []EvaluatedPhoto, error) {
	return evaluateStore(ctx, model, features, "", choose)
}

func evaluateStore(
	ctx context.Context, model, features, split string, choose func(metrics.Evaluation) []int,
) (Evaluation, []EvaluatedPhoto, error) {
	m, p, err := modeldir.Load(model)
	if err != nil {
		return Evaluation{}, nil, err
	}
	s, err := store.Open(ctx, features, progress.Discard)
	if err != nil {
		return Evaluation{}, nil, err
	}
	defer func() { _ = s.Close() }() // only read
	if err := sameFeatures(m, s.Manifest, features); err != nil {
		return Evaluation{}, nil, err
	}
	found, err := evaluateOn(ctx, m, p, s, split, features)
	if err != nil {
		return Evaluation{}, nil, err
	}
	if changed(m, s, features) {
		found.notes = append(found.notes,
			"the store has changed since the training: its photos, splits or labels are others")
	}
	m.Notes = append(slices.Clone(m.Notes), found.notes...)
	e := newEvaluation(m, found.metrics, pathsOf(s, found.data), found.split)
	var photos []EvaluatedPhoto
	for i, photo := range found.data.Photos {
		row := s.Rows()[photo.Rows[0]]
		photos = append(photos, EvaluatedPhoto{Prediction: e.Predictions[i], Path: row.Path, SHA256: row.SHA256})
	}
	if choose != nil {
		buffer := make([]float32, s.Manifest.Values())
		for _, i := range choose(e.Evaluation) {
			row := found.data.Row(found.data.Photos[i].Rows[0], buffer)
			photos[i].Features = averaged(row, m.Head.Features, m.Head.Positions)
		}
	}
	return e, photos, nil
}

// averaged returns the mean over the positions of a map [channels, positions].
func averaged(row []float32, channels, positions int) []float32 {
	mean := make([]float32, channels)
	for c := range mean {
		sum := 0.0
		for _, v := range row[c*positions : (c+1)*positions] {
			sum += float64(v)
		}
		mean[c] = float32(sum / float64(positions))
	}
	return mean
}

// ExtractFor brings a store to what the MODEL's backbone sees of the photos
// that the training evaluated on, for EvaluatePhotos: of a finetuned network there is
// no other store. data is the folder or list of the photos.
func ExtractFor(ctx context.Context, o Options, data, storeDir string, report progress.Reporter) error {
	m, _, err := modeldir.Load(o.Model)
	if err != nil {
		return err
	}
	splits := []string{m.Metrics.ValSplit}
	if m.Metrics.ValFraction > 0 { // the photos are drawn from those of training
		splits = []string{m.Metrics.TrainSplit}
	}
	o.Embedder.Network = networkOptions(m, o.Embedder.Network.Weights, report)
	_, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: data, Extensions: extensionsOf(m), NoFollowLinks: m.NoFollowLinks,
		Store: storeDir, ReplaceData: true, Splits: splits,
		EXIF: m.EXIF, Decoder: o.Decoder, FastDecode: m.FastDecode,
	}, report)
	return fail.Wrap(fail.KindOf(err), err, "", "features of the photos in %s", data)
}

// extensionsOf are those that the photos of m's training had besides torchvision's. A
// finetuned MODEL of an older fx has them among the settings of its training.
func extensionsOf(m modeldir.Model) []string {
	if m.Extensions != nil {
		return m.Extensions
	}
	settings, _ := m.Options["finetune"].(map[string]any)
	if extensions, _ := settings["extensions"].(string); extensions != "" {
		return strings.Split(extensions, ",")
	}
	return nil
}

// FitsStore tells why the MODEL can't be evaluated on a store: there is none, or
// another network or preprocessing made it.
func FitsStore(m modeldir.Model, dir string) error {
	manifest, err := store.ReadManifest(dir)
	if err != nil {
		return err
	}
	return sameFeatures(m, manifest, dir)
}
