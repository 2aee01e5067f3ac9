package training

import (
	"bytes"
	"encoding/json"
	"slices"
)

// keyed are the settings in every key, in their order: folders of experiments are named by hashes of keys, so
// neither may change. Newer settings are in a key only if they are not the default.
var keyed = []string{
	"epochs", "batch-size", "lr", "momentum", "weight-decay", "class-weights", "resize", "crop", "train-split",
	"val-split", "exif", "views", "dtype", "optimizer", "nesterov", "schedule", "step-epochs", "warmup-epochs",
	"label-smoothing", "clip-grad-norm", "ema", "head-lr-multiplier", "frozen-bn", "precision",
}

// Key returns the settings of an experiment file that results of the trainings in by depend on. Its JSON is always the
// same.
func (s Settings) Key(by UsedBy) any {
	// AdamW's momentum, which it does not read, is in keys as given.
	s.WeightDecay = s.Resolved(by).WeightDecay
	if by&Network == 0 {
		return s.keyedSettings(by)
	}
	// The key of a network is an ordered object, with zeros for keyed settings of other trainings.
	var zero Settings
	d := Defaults()
	var object orderedObject
	for _, name := range keyed {
		f := fields[slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })]
		if f.By&Network == 0 {
			object.add(name, f.value(zero))
		} else {
			object.add(name, f.value(s))
		}
	}
	for _, f := range Fields(by) {
		if f.inKey() && !slices.Contains(keyed, f.Name) && !f.same(s, d) {
			object.add(f.Name, f.value(s))
		}
	}
	return json.RawMessage("{" + object.String() + "}")
}

// KeyOfFeatures returns the settings that the features extracted for a head depend on.
func (s Settings) KeyOfFeatures() map[string]any { return s.keyedSettings(Extraction) }

// ExperimentRecord returns the settings of an experiment file, as in experiment.json.
func (s Settings) ExperimentRecord() map[string]any {
	s.WeightDecay = s.Resolved(Network).WeightDecay
	return s.keyedSettings(FeatureExtraction | Network)
}

// keyedSettings returns the settings in keys of the trainings in by.
func (s Settings) keyedSettings(by UsedBy) map[string]any {
	all := map[string]any{}
	d := Defaults()
	for _, f := range Fields(by) {
		if f.inKey() && (slices.Contains(keyed, f.Name) || !f.same(s, d)) {
			all[f.Name] = f.value(s)
		}
	}
	return all
}

// inKey reports whether the setting may be in a key.
func (f Field) inKey() bool { return f.YAML && f.Result }

// orderedObject writes the members of a JSON object in their order.
type orderedObject struct{ bytes.Buffer }

func (o *orderedObject) add(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain values
	}
	if o.Len() > 0 {
		o.WriteByte(',')
	}
	o.WriteString(`"` + name + `":`)
	o.Write(text)
}
