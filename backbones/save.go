package backbones

import (
	"path/filepath"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/outpath"
	"fx/internal/weights"
)

// Save writes the network b with the weights sd to path, whose extension determines the
// format:
//
//   - .safetensors: the state dict under the names of the network's own package, ready for
//     load_state_dict(strict=True), but for buffers that are the same for all weights (Swin);
//   - .onnx: the model of Assemble, with the metadata for FromFile.
func Save(path string, b Backbone, sd *weights.StateDict) error {
	format, err := FormatOf(path)
	if err != nil {
		return err
	}
	if format == outpath.ONNX {
		m, err := Assemble(b, sd)
		if err != nil {
			return err
		}
		return onnx.Save(path, m)
	}
	out, err := canonicalWeights(b, sd)
	if err != nil {
		return err
	}
	return weights.WriteSafetensors(path, out)
}

// FormatOf returns the kind of file that Save writes to path.
func FormatOf(path string) (*outpath.File, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		return outpath.Weights, nil
	case ".onnx":
		return outpath.ONNX, nil
	}
	return nil, fail.New(fail.Usage, "End the name of the file in .safetensors or .onnx.", "%s has no known format",
		path)
}

// canonicalWeights returns sd under the names of the network, in the order of its graph,
// with torch's counters of batch normalisation.
func canonicalWeights(b Backbone, sd *weights.StateDict) (*weights.StateDict, error) {
	parameters, err := Parameters(b)
	if err != nil {
		return nil, err
	}
	sd, given, err := b.adapt(sd)
	if err != nil {
		return nil, err
	}
	if err := matchNames(b.Name, registeredHint(b), parameters, given, sd); err != nil {
		return nil, err
	}
	out := weights.NewStateDict()
	out.Metadata[MetaBackbone] = b.Name
	if origin := sd.Metadata[metaWeights]; origin != "" {
		out.Metadata[metaWeights] = origin
	}
	for _, p := range parameters {
		original, ok := given[p.Name]
		if !ok || p.New && strings.HasPrefix(original, ownPrefix) {
			continue // an auxiliary classifier, or a head, that the weights lack
		}
		t, _ := sd.Get(original)
		out.Set(p.Name, t)
		if layer, ok := strings.CutSuffix(p.Name, "running_var"); ok {
			counter, known := sd.Get(strings.TrimSuffix(original, "running_var") + "num_batches_tracked")
			if !known {
				counter = weights.Tensor{DType: weights.I64, Shape: []int{}, Data: make([]byte, 8)}
			}
			out.Set(layer+"num_batches_tracked", counter)
		}
	}
	return out, nil
}
