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

// HeadRecord returns the settings that a head's numbers depend on, as in the options of its model.json: by names
// with underscores.
func (s Settings) HeadRecord() map[string]any {
	s = s.Resolved(Head)
	all := map[string]any{}
	for _, f := range recorded(Head, s.Solver) {
		all[strings.ReplaceAll(f.Name, "-", "_")] = f.value(s)
	}
	return all
}

// network is the name of a RUN's record in the options of its MODEL.
const network = "finetune"

// ReadRecord returns the settings in the options of a model.json, by the names of the flags and as JSON values, and
// whether the training was of a network. Settings that an older fx did not have get their defaults. The trained
// parameters of a network are one text, "trainable": all, head or the patterns.
func ReadRecord(options map[string]any) (all map[string]any, ofNetwork bool) {
	all = map[string]any{}
	if of, ok := options[network].(map[string]any); ok {
		for name, value := range of {
			all[name] = value
		}
		complete(all, Network, "")
		all["trainable"] = trainableText(all["trainable"], all["head-only"] == true)
		delete(all, "head-only")
		return all, true
	}
	for name, value := range options {
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
