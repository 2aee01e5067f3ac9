package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fx/internal/modeldir"
	"fx/internal/weights"
)

// differences compares settings by name. OnlyA and OnlyB have those that one side lacks, because fit-head and finetune
// have different flags.
func differences(a, b map[string]any) Differences {
	d := Differences{Differ: []Difference{}, OnlyA: map[string]any{}, OnlyB: map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		of, both := b[name]
		switch {
		case !both:
			d.OnlyA[name] = a[name]
		case fmt.Sprint(a[name]) == fmt.Sprint(of):
			d.Equal++
		default:
			d.Differ = append(d.Differ, Difference{name, a[name], of})
		}
	}
	for name, value := range b {
		if _, both := a[name]; !both {
			d.OnlyB[name] = value
		}
	}
	return d
}

// modelSettings returns the settings that the results of a MODEL depend on.
func modelSettings(m modeldir.Model) map[string]any {
	all := map[string]any{
		"backbone": m.Backbone.Name, "mode": m.Mode, "seed": m.Seed, "exif": m.EXIF, "fast-decode": m.FastDecode,
		"classes": strings.Join(m.Classes, ", "), "trained by": "fx fit-head",
		"weights": m.Backbone.Weights.Name(), "weights (SHA-256)": m.Backbone.WeightsSHA256,
		"feature-tensor": m.Backbone.FeatureTensor, "head": fmt.Sprintf("%s of %d features", m.Head.Kind,
			m.Head.Features), "dropout": m.Head.Dropout,
		"train-split": m.Metrics.TrainSplit, "val-split": m.Metrics.ValSplit, "val-fraction": m.Metrics.ValFraction,
		"train photos": m.Metrics.TrainPhotos, "val photos": m.Metrics.ValPhotos,
	}
	flatten(all, "preprocessing", plain(m.Preprocess))
	all["preprocessing.mode"] = m.Preprocess.Mode.String() // which JSON leaves out where it is crop
	for name, version := range m.Versions {
		all["version of "+name] = version
	}
	options, ofNetwork := m.Options.Read()
	if !ofNetwork {
		all["features"] = m.Features
		maps.Copy(all, options)
		return all
	}
	all["trained by"] = "fx finetune"
	delete(all, "weights") // in the MODEL they are those after training
	if w := m.Options.StartWeights(); w != "" {
		var ref weights.Ref
		if all["weights"] = w; ref.UnmarshalText([]byte(w)) == nil {
			all["weights"] = ref.Name()
		}
	}
	for _, known := range []string{"preprocessing", "classes", "feature-tensor", "ONNX Runtime"} {
		delete(options, known)
	}
	maps.Copy(all, options)
	return all
}

// plain returns v as JSON decodes it.
func plain(v any) (p any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		panic(err) // our own plain structs
	}
	return p
}

// flatten adds the leaves of v under names with dots.
func flatten(all map[string]any, name string, v any) {
	parts, ok := v.(map[string]any)
	if !ok {
		all[name] = v
		return
	}
	for part, value := range parts {
		flatten(all, name+"."+part, value)
	}
}
