package training

import (
	"bytes"
	"encoding/json"
	"slices"
)

// keyed are the settings that stand in every key, in the order in which they do: folders of experiments are named by
// hashes of keys, so neither may change. Later settings stand in a key where they are not the default.
var keyed = []string{
	"epochs", "batch-size", "lr", "momentum", "weight-decay", "class-weights", "resize", "crop", "train-split",
	"val-split", "exif", "views", "dtype", "optimizer", "nesterov", "schedule", "step-epochs", "warmup-epochs",
	"label-smoothing", "clip-grad-norm", "ema", "head-lr-multiplier", "frozen-bn", "precision",
}

// Key is what the results of the readers depend on, among what an experiment file sets. Its JSON is always the same.
func (s Settings) Key(by Reader) any {
	// AdamW's momentum, which it does not read, stands in keys as given.
	s.WeightDecay = s.Resolved(by).WeightDecay
	if by&Network == 0 {
		return s.inFiles(by)
	}
	// The key of a network is an object in an order, with zeros for keyed settings that others read.
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
		if f.isInFiles() && !slices.Contains(keyed, f.Name) && !f.same(s, d) {
			object.add(f.Name, f.value(s))
		}
	}
	return json.RawMessage("{" + object.String() + "}")
}

// KeyOfFeatures is what the features depend on that are extracted for a head.
func (s Settings) KeyOfFeatures() map[string]any { return s.inFiles(Extraction) }

// InFiles are the settings that an experiment file sets, as its experiment.json has them.
func (s Settings) InFiles() map[string]any {
	s.WeightDecay = s.Resolved(Network).WeightDecay
	return s.inFiles(FeatureExtraction | Network)
}

func (s Settings) inFiles(by Reader) map[string]any {
	all := map[string]any{}
	d := Defaults()
	for _, f := range Fields(by) {
		if f.isInFiles() && (slices.Contains(keyed, f.Name) || !f.same(s, d)) {
			all[f.Name] = f.value(s)
		}
	}
	return all
}

func (f Field) isInFiles() bool { return f.InFiles && f.Result }

// orderedObject is the inside of a JSON object whose members keep their order.
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
