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

// differences compares settings by name. One that a side lacks is among OnlyA and
// OnlyB, since fit-head and finetune have flags of their own.
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

// modelSettings are what the numbers of a MODEL depend on.
func modelSettings(m modeldir.Model) map[string]any {
	all := map[string]any{
		"backbone": m.Backbone.Name, "mode": m.Mode, "seed": m.Seed, "exif": m.EXIF, "fast-decode": m.FastDecode, "classes": strings.Join(m.Classes, ", "),
		"trained by": "fx fit-head", "weights": m.Backbone.Weights.Name(), "weights (SHA-256)": m.Backbone.WeightsSHA256,
		"feature-tensor": m.Backbone.FeatureTensor, "head": fmt.Sprintf("%s of %d features", m.Head.Kind, m.Head.Features), "dropout": m.Head.Dropout,
		"train-split": m.Metrics.TrainSplit, "val-split": m.Metrics.ValSplit, "val-fraction": m.Metrics.ValFraction,
		"train photos": m.Metrics.TrainPhotos, "val photos": m.Metrics.ValPhotos,
	}
	flatten(all, "preprocessing", plain(m.Preprocess))
	for name, version := range m.Versions {
		all["version of "+name] = version
	}
	if finetune, ok := m.Options["finetune"].(map[string]any); ok {
		finetuneSettings(all, finetune, m.Options["weights"])
		return all
	}
	all["features"] = m.Features
	for name, value := range m.Options {
		name = strings.ReplaceAll(name, "_", "-") // the flag's name
		if name == "class-weights" {
			if value == nil {
				value = "none"
			} else {
				value = "auto"
			}
		}
		all[name] = value
	}
	return all
}

// finetuneSettings takes over what finetune says of itself. The weights in its
// MODEL are the trained ones; what it started from its settings name.
func finetuneSettings(all, finetune map[string]any, start any) {
	all["trained by"] = "fx finetune"
	delete(all, "weights")
	if w, ok := start.(string); ok { // absent in models of an older fx
		var ref weights.Ref
		if all["weights"] = w; ref.UnmarshalText([]byte(w)) == nil {
			all["weights"] = ref.Name()
		}
	}
	for name, value := range finetune {
		switch name {
		case "preprocessing", "classes", "feature-tensor", "ONNX Runtime": // known already
		case "trainable":
			all[name] = "all"
			if patterns, ok := value.([]any); ok {
				all[name] = strings.Trim(fmt.Sprint(patterns), "[]")
			} else if finetune["head-only"] == true {
				all[name] = "head"
			}
		default:
			all[name] = value
		}
	}
	delete(all, "head-only") // said by trainable
}

// plain is v as JSON has it.
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
