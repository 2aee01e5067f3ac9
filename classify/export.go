package classify

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"fx/backbones"
	"fx/extract"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/onnx"
	"fx/internal/outpath"
	"fx/internal/progress"
)

// ExportResult describes the file that Export wrote.
type ExportResult struct {
	Path              string   `json:"path"`
	Bytes             int64    `json:"bytes"`
	Classes           []string `json:"classes"`
	WithPreprocessing bool     `json:"with_preprocessing"`
	Input             string   `json:"input"` // name, type and shape
	Notes             []string `json:"notes"`
}

// Export writes the MODEL as one ONNX file, backbone and head, that plain ONNX
// Runtime runs. withPreprocessing makes it take a uint8 photo [height, width, 3]
// of any size; else it takes photos resized and cropped already, uint8 [batch,
// crop, crop, 3]. Classes, preprocessing and provenance are in its metadata.
func Export(ctx context.Context, o Options, out string, withPreprocessing bool, report progress.Reporter) (ExportResult, error) {
	m, p, err := modeldir.Load(o.Model)
	if err != nil {
		return ExportResult{}, err
	}
	target := outpath.Target{Kind: outpath.ONNX, Path: out, Inputs: []string{m.Backbone.File, m.Backbone.Weights}}
	if err := outpath.Prepare(o.Force, target); err != nil {
		return ExportResult{}, err
	}
	e, err := embedderOf(ctx, m, extract.EmbedderOptions{Network: o.Embedder.Network}, report)
	if err != nil {
		return ExportResult{}, err
	}
	features, err := e.Network.Features()
	if err != nil {
		return ExportResult{}, err
	}
	provenance, err := json.Marshal(struct {
		Backbone modeldir.Backbone `json:"backbone"`
		Versions map[string]string `json:"versions"`
		Accuracy float64           `json:"best_val_accuracy"`
		Notes    []string          `json:"notes,omitempty"`
	}{m.Backbone, m.Versions, m.Metrics.BestValAccuracy, m.Notes})
	if err != nil {
		return ExportResult{}, err
	}
	classifier, err := backbones.Classifier(features, headFor(m), m.Classes, p.Weight, p.Bias, backbones.ClassifierOptions{
		WithPreprocessing: withPreprocessing,
		Metadata:          map[string]string{"fx.provenance": string(provenance)},
	})
	if err != nil {
		return ExportResult{}, err
	}
	if err := onnx.Save(out, classifier); err != nil {
		return ExportResult{}, fail.Wrap(fail.KindOf(err), err, "Choose another place with --out.", "write %s", out)
	}
	result := ExportResult{Path: out, Classes: m.Classes, WithPreprocessing: withPreprocessing, Notes: append([]string{}, m.Notes...)}
	if info, err := os.Stat(out); err == nil {
		result.Bytes = info.Size()
	}
	result.Input = fmt.Sprintf("images, uint8 [batch, %d, %d, 3], RGB, resized and cropped", m.Preprocess.Crop, m.Preprocess.Crop)
	if withPreprocessing {
		result.Input = "image, uint8 [height, width, 3], RGB, any size"
	}
	return result, nil
}

// headFor is the MODEL's head as the backbones know it.
func headFor(m modeldir.Model) backbones.Head {
	h := backbones.Head{
		Kind: backbones.HeadKind(m.Head.Kind), In: m.Head.Features, Weight: m.Head.WeightName, Bias: m.Head.BiasName,
		Dropout: m.Head.Dropout, Classes: len(m.Classes),
	}
	if shape := m.Head.FeatureShape; h.Kind == backbones.Conv1x1 && len(shape) == 3 {
		h.Spatial = [2]int{shape[1], shape[2]}
	}
	return h
}
