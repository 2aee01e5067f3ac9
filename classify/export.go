package classify

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/backbones"
	"fx/extract"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/modeldir"
	"fx/internal/onnx"
	"fx/internal/outpath"
	"fx/internal/progress"
	"fx/internal/store"
)

// ExportResult describes the file that Export wrote.
type ExportResult struct {
	Path              string   `json:"path"`
	Bytes             int64    `json:"bytes"`
	Classes           []string `json:"classes"`
	WithPreprocessing bool     `json:"with_preprocessing"`
	Input             string   `json:"input"` // name, type and shape
	// EXIF is "apply" if photos must be rotated by their EXIF orientation, else "ignore".
	EXIF string `json:"exif"`
	// FastDecode: the training photos were decoded at a fraction of their size.
	FastDecode bool     `json:"fast_decode,omitempty"`
	Notes      []string `json:"notes"`
}

// Export writes the MODEL, backbone and head, as one ONNX file for plain ONNX Runtime. With withPreprocessing its
// input is a uint8 photo [height, width, 3] of any size; otherwise it is photos that are resized and cropped already,
// uint8 [batch, crop, crop, 3]. Its metadata has classes, preprocessing, the EXIF handling (backbones.MetaEXIF) and
// provenance.
func Export(ctx context.Context, o Options, out string, withPreprocessing bool,
	report progress.Reporter) (ExportResult, error) {
	if !strings.EqualFold(filepath.Ext(out), ".onnx") {
		return ExportResult{}, fail.New(fail.Usage, "Name a file such as classifier.onnx.",
			"--out %s is no .onnx file", out)
	}
	m, p, err := modeldir.Load(o.Model)
	if err != nil {
		return ExportResult{}, err
	}
	target := outpath.Target{Kind: outpath.ONNX, Path: out, Photos: photosOf(m),
		Inputs: []string{m.Backbone.File, m.Backbone.Weights.File}}
	if err := outpath.Prepare(o.Force, target); err != nil {
		return ExportResult{}, err
	}
	network, err := networkOf(ctx, m, extract.EmbedderOptions{Network: o.Embedder.Network}, report)
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
	metadata := map[string]string{"fx.provenance": string(provenance), backbones.MetaEXIF: exifOf(m)}
	if m.FastDecode {
		metadata[backbones.MetaFastDecode] = "true"
	}
	classifier, err := backbones.Classifier(network.Model, headFor(m), m.Classes, p.Weight, p.Bias,
		backbones.ClassifierOptions{
			WithPreprocessing: withPreprocessing,
			Metadata:          metadata,
		})
	if err != nil {
		return ExportResult{}, err
	}
	if err := onnx.Save(out, classifier); err != nil {
		return ExportResult{}, fail.Wrap(fail.Usage, err, "Choose another place with --out.", "write %s", out)
	}
	result := ExportResult{Path: out, Classes: m.Classes, WithPreprocessing: withPreprocessing, EXIF: exifOf(m),
		FastDecode: m.FastDecode, Notes: append([]string{}, m.Notes...)}
	if info, err := os.Stat(out); err == nil {
		result.Bytes = info.Size()
	}
	result.Input = fmt.Sprintf("images, uint8 [batch, %d, %d, 3], RGB, resized and cropped", m.Preprocess.Crop,
		m.Preprocess.Crop)
	if withPreprocessing {
		result.Input = "image, uint8 [height, width, 3], RGB, any size"
	}
	return result, nil
}

// photosOf returns the folder or list of the photos that the MODEL was trained on, or "" if it is unknown.
func photosOf(m modeldir.Model) string {
	if m.Data != "" || m.Features == "" {
		return m.Data
	}
	made, err := store.ReadManifest(m.Features) // of a MODEL of an older fx
	if err != nil {
		return ""
	}
	return made.Made.Data
}

// exifOf returns the MODEL's EXIF, or its default.
func exifOf(m modeldir.Model) string {
	if m.EXIF == "" {
		return "ignore"
	}
	return m.EXIF
}

// headFor returns the MODEL's head in the form of package backbones.
func headFor(m modeldir.Model) backbones.Head {
	h := backbones.Head{
		Kind: m.Head.Kind, In: m.Head.Features, Weight: m.Head.WeightName, Bias: m.Head.BiasName,
		Dropout: m.Head.Dropout, Classes: len(m.Classes),
	}
	if shape := m.Head.FeatureShape; h.Kind == headspec.Conv1x1 && len(shape) == 3 {
		h.Spatial = [2]int{shape[1], shape[2]}
	}
	return h
}
