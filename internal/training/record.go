package training

import (
	"encoding/json"
	"slices"
	"strings"
)

// What records have under other names: the preprocessing of a RUN, the metrics of a head's MODEL.
var (
	notInRun  = []string{"resize", "crop"}
	notInHead = []string{"train-split", "val-split", "val-fraction"}
)

// recorded are the settings that the record of a RUN or of a head with the solver has.
func recorded(by Reader, solver string) []Field {
	apart := notInHead
	if by&Network != 0 {
		apart = notInRun
	}
	return slices.DeleteFunc(Fields(by), func(f Field) bool {
		other := by == Head && f.Solver != "" && f.Solver != solver
		return !f.Result || other || slices.Contains(apart, f.Name)
	})
}

// Record is what the numbers of a training depend on, as run.json has it: by name.
func (s Settings) Record() map[string]any {
	s = s.Resolved(Network)
	all := map[string]any{}
	for _, f := range recorded(Network, "") {
		all[f.Name] = f.value(s)
	}
	return all
}

// HeadRecord is what the numbers of a head depend on, as the options of its model.json have it: under names with
// underscores.
func (s Settings) HeadRecord() map[string]any {
	s = s.Resolved(Head)
	all := map[string]any{}
	for _, f := range recorded(Head, s.Solver) {
		all[strings.ReplaceAll(f.Name, "-", "_")] = f.value(s)
	}
	return all
}

// network is the name of a RUN's record among the options of its MODEL.
const network = "finetune"

// ReadRecord returns what the options of a model.json say of its training, by the names of the flags and in the
// values of JSON, and whether that was of a network. What an older fx did not have is there with its default.
// Which parameters of a network learned is one text, "trainable": all, head or the patterns.
func ReadRecord(options map[string]any) (all map[string]any, ofNetwork bool) {
	all = map[string]any{}
	if of, ok := options[network].(map[string]any); ok {
		for name, value := range of {
			all[name] = value
		}
		complete(all, recorded(Network, ""))
		all["trainable"] = learning(all["trainable"], all["head-only"] == true)
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
	complete(all, recorded(Head, solver))
	return all, false
}

// complete adds the defaults of the fields that a record of an older fx lacks.
func complete(all map[string]any, of []Field) {
	d := Defaults().Resolved(Network)
	for _, f := range of {
		if _, known := all[f.Name]; !known {
			all[f.Name] = plain(f.value(d))
		}
	}
}

// learning says which parameters learn.
func learning(trainable any, headOnly bool) string {
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

// plain is v as JSON has it.
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
