package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fx/internal/modeldir"
	pictures "fx/internal/report"
)

// settings are what a run's numbers depend on, by name.
type settings map[string]string

// Names of settings that report's own rules know.
const (
	seedSetting    = "seed"
	weightsSetting = "weights (SHA-256)"
)

// readSettings flattens what the MODEL says of its training. The names of both
// kinds of training are the flags', so that they can be set side by side.
func (r *run) readSettings() settings {
	m := r.model
	options := m.Options
	if of, finetuned := options["finetune"].(map[string]any); finetuned {
		options = of
	} else {
		options = map[string]any{"trained": "the head, on a store of features"}
		for name, value := range m.Options {
			options[strings.ReplaceAll(name, "_", "-")] = value
		}
		options[weightsSetting] = m.Backbone.WeightsSHA256
		options["exif"] = m.EXIF
		options["train-split"], options["val-split"] = m.Metrics.TrainSplit, m.Metrics.ValSplit
	}
	s := settings{}
	for name, value := range options {
		if text := inWords(value); text != "" {
			s[name] = text
		}
	}
	s["backbone"] = r.shown.Network
	s["mode"] = pictures.ModeName(r.shown.Mode)
	s["weights"] = r.shown.Weights
	s["classes"] = inWords(m.Classes)
	s["photos"] = fmt.Sprintf("%d to learn from, %d to judge by", m.Metrics.TrainPhotos, m.Metrics.ValPhotos)
	p := m.Preprocess
	s["preprocessing"] = fmt.Sprintf("resize %d, crop %d, %s", p.Resize, p.Crop, p.Interpolation)
	return s
}

// longestSetting is how many letters of a setting are shown: a hash, and some classes.
const longestSetting = 160

// inWords writes a value that came from JSON. Empty ones have no words.
func inWords(value any) string {
	text := ""
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		text = v
	case bool:
		text = map[bool]string{true: "yes", false: "no"}[v]
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		text = strings.Join(v, ", ")
	case []any:
		var parts []string
		for _, part := range v {
			parts = append(parts, inWords(part))
		}
		text = strings.Join(parts, ", ")
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		text = string(data)
	}
	if letters := []rune(text); len(letters) > longestSetting {
		text = string(letters[:longestSetting-1]) + "…"
	}
	return text
}

// group names the runs that differ by their seed alone. What only time depends
// on does not part them.
func (r *run) group() string {
	s := r.settings
	var lines []string
	for _, name := range s.names() {
		switch {
		case name == seedSetting, name == "threads":
		case name == weightsSetting && r.shown.Mode == modeldir.Scratch: // drawn from the seed
		default:
			lines = append(lines, name+"="+s[name])
		}
	}
	return strings.Join(lines, "\n")
}

func (s settings) names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// compare parts the settings that all runs share from those in which they differ.
func compare(runs []*run) (shared []pictures.Setting, differ []pictures.Difference) {
	all := settings{}
	for _, r := range runs {
		for name := range r.settings {
			all[name] = ""
		}
	}
	for _, name := range all.names() {
		variants := variantsOf(runs, func(r *run) string { return r.settings[name] })
		if len(variants) == 1 {
			shared = append(shared, pictures.Setting{Name: name, Value: variants[0].Value})
			continue
		}
		differ = append(differ, pictures.Difference{Name: name, Values: variants})
	}
	return shared, differ
}

// variantsOf lists the values of runs in the order in which they first appear.
func variantsOf(runs []*run, value func(*run) string) []pictures.Variant {
	var variants []pictures.Variant
	for _, r := range runs {
		v := value(r)
		if v == "" {
			v = "not set"
		}
		at := slices.IndexFunc(variants, func(known pictures.Variant) bool { return known.Value == v })
		if at < 0 {
			at = len(variants)
			variants = append(variants, pictures.Variant{Value: v})
		}
		variants[at].Runs = append(variants[at].Runs, r.name)
	}
	return variants
}

// versionsOf are the programs that made the runs, each version once.
func versionsOf(runs []*run) []pictures.Setting {
	values := map[string][]string{}
	names := settings{}
	for _, r := range runs {
		for name, version := range r.model.Versions {
			names[name] = ""
			if version != "" && !slices.Contains(values[name], version) {
				values[name] = append(values[name], version)
			}
		}
	}
	var all []pictures.Setting
	for _, name := range names.names() {
		all = append(all, pictures.Setting{Name: name, Value: strings.Join(values[name], ", ")})
	}
	return all
}
