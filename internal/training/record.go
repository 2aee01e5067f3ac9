package training

import (
	"encoding/json"
	"slices"
	"strings"
)

// Settings with other names in records: the preprocessing of a RUN, the metrics of a head's MODEL.
var (
	notInRun  = []string{"resize", "crop"}
	notInHead = []string{"train-split", "val-split", "val-fraction"}
)

// recorded returns the settings in the record of a RUN or of a head with the solver.
func recorded(by UsedBy, solver string) []Field {
	apart := notInHead
	if by&Network != 0 {
		apart = notInRun
	}
	return slices.DeleteFunc(Fields(by), func(f Field) bool {
		other := by == Head && f.Solver != "" && f.Solver != solver
		return !f.Result || other || slices.Contains(apart, f.Name)
	})
}

// Record returns the settings that a training's numbers depend on, by name, as in run.json.
func (s Settings) Record() map[string]any {
	s = s.Resolved(Network)
	all := map[string]any{}
	for _, f := range recorded(Network, "") {
		all[f.Name] = f.value(s)
	}
	return all
}

// Record are the options of a model.json: the settings of the training that made the MODEL, as JSON values. A head's
// has them itself, by names with underscores; a network's is that of its RUN under one name, beside the weights that
// the training started from.
type Record map[string]any

// Names in a network's Record.
const (
	network      = "finetune"
	startWeights = "weights"
)

// HeadRecord returns the settings that a head's numbers depend on.
func (s Settings) HeadRecord() Record {
	s = s.Resolved(Head)
	all := Record{}
	for _, f := range recorded(Head, s.Solver) {
		all[strings.ReplaceAll(f.Name, "-", "_")] = f.value(s)
	}
	return all
}

// NetworkRecord returns the Record of a network that a RUN with the settings trained, starting from weights.
func NetworkRecord(run any, weights string) Record {
	return Record{network: run, startWeights: weights}
}

// StartWeights returns what a network's training started from as weights.Ref has it, "" for a head or where an older fx
// did not say.
func (r Record) StartWeights() string {
	if _, ofNetwork := r[network]; !ofNetwork {
		return ""
	}
	text, _ := r[startWeights].(string)
	return text
}

// Step returns what the training's epochs are called where that is another word, "" otherwise.
func (r Record) Step() string {
	if all, ofNetwork := r.Read(); !ofNetwork && all["solver"] == LBFGS {
		return "iteration"
	}
	return ""
}

// Read returns the settings by the names of the flags and as JSON values, and whether the training was of a network.
// Settings that an older fx did not have get their defaults. The trained parameters of a network are one text,
// "trainable": all, head or the patterns.
func (r Record) Read() (all map[string]any, ofNetwork bool) {
	all = map[string]any{}
	if of, ok := r[network].(map[string]any); ok {
		for name, value := range of {
			all[name] = value
		}
		complete(all, Network, "")
		all["trainable"] = trainableText(all["trainable"], all["head-only"] == true)
		delete(all, "head-only")
		return all, true
	}
	for name, value := range r {
		all[strings.ReplaceAll(name, "_", "-")] = value
	}
	switch all["class-weights"].(type) {
	case string:
	case nil:
		all["class-weights"] = None
	default: // an older fx wrote the weights themselves
		all["class-weights"] = Balanced
	}
	solver, _ := all["solver"].(string)
	complete(all, Head, solver)
	return all, false
}

// complete adds the defaults of the settings that a record of an older fx lacks.
func complete(all map[string]any, by UsedBy, solver string) {
	d := Defaults().Resolved(by)
	for _, f := range recorded(by, solver) {
		if _, known := all[f.Name]; !known {
			all[f.Name] = plain(f.value(d))
		}
	}
}

// trainableText returns the trained parameters as text: all, head or the patterns.
func trainableText(trainable any, headOnly bool) string {
	switch patterns, _ := trainable.([]any); {
	case headOnly:
		return "head"
	case patterns == nil:
		return "all"
	default:
		var texts []string
		for _, p := range patterns {
			text, _ := p.(string)
			texts = append(texts, text)
		}
		return strings.Join(texts, ",")
	}
}

// plain returns v as a JSON value.
func plain(v any) (p any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		panic(err) // plain values
	}
	return p
}
