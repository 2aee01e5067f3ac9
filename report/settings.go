package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fx/internal/modeldir"
	pictures "fx/report/page"
)

// settings are what a run's numbers depend on, by name.
type settings map[string]string

// Names of settings that report's own rules know.
const (
	seedSetting    = "seed"
	weightsSetting = "weights (SHA-256)"
)

// readSettings gathers what the MODEL says of its training, by the names of the flags.
func (r *run) readSettings() settings {
	m := r.model
	options, ofNetwork := m.Options.Read()
	if !ofNetwork {
		options["trained"] = "the head, on a store of features"
		options[weightsSetting] = m.Backbone.WeightsSHA256
		options["exif"] = m.EXIF
		if m.FastDecode {
			options["fast-decode"] = true
		}
		options["train-split"], options["val-split"] = m.Metrics.TrainSplit, m.Metrics.ValSplit
	}
	s := settings{}
	for name, value := range options {
		if text := inWords(value); text != "" {
			s[name] = text
		}
	}
	if r.shown.Mode.Key == modeldir.Scratch {
		s[weightsSetting] = "drawn from the seed"
	}
	s["backbone"] = r.shown.Network
	s["mode"] = r.shown.Mode.Name
	s["weights"] = r.shown.Weights
	s["classes"] = inWords(m.Classes)
	s["photos"] = fmt.Sprintf("%d to train on, %d to evaluate on", m.Metrics.TrainPhotos, m.Metrics.ValPhotos)
	// drawn by the seed, which copies that go together make a few more or less
	if share := m.Metrics.ValFraction; share > 0 {
		s["photos"] = fmt.Sprintf("%d, %g of them to evaluate on", m.Metrics.TrainPhotos+m.Metrics.ValPhotos, share)
	}
	s["preprocessing"] = m.Preprocess.View()
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
		if name != seedSetting && name != "threads" {
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

// shownElsewhere are settings that stand in the tables of runs.
var shownElsewhere = []string{"backbone", "mode", "weights", seedSetting, "trained", "scratch"}

// compare parts the settings that all runs share from those in which they
// differ. A setting that one kind of training alone has, and all its runs
// alike, is shared too and says so.
func compare(runs []*run) (shared []pictures.Setting, differ []pictures.Difference) {
	all := settings{}
	for _, r := range runs {
		for name := range r.settings {
			all[name] = ""
		}
	}
	for _, name := range all.names() {
		var having []*run
		for _, r := range runs {
			if r.settings[name] != "" {
				having = append(having, r)
			}
		}
		variants := variantsOf(having, func(r *run) string { return r.settings[name] })
		switch {
		case len(variants) == 1 && len(having) == len(runs):
			shared = append(shared, pictures.Setting{Name: name, Value: variants[0].Value})
		case len(variants) == 1 && sameKind(having, runs):
			shared = append(shared, pictures.Setting{Name: name, Value: variants[0].Value, Of: having[0].kind()})
		default:
			if len(having) < len(runs) && !sameKind(having, runs) {
				variants = variantsOf(runs, func(r *run) string { return r.settings[name] })
			}
			differ = append(differ, pictures.Difference{Name: name, Values: variants})
		}
	}
	return shared, differ
}

// kind says what trained the run.
func (r *run) kind() string {
	if _, ofNetwork := r.model.Options.Read(); ofNetwork {
		return "training of the network"
	}
	return "training of heads"
}

// sameKind tells whether some of all the runs are those of one kind, no more and no less.
func sameKind(some, all []*run) bool {
	count := 0
	for _, r := range all {
		if r.kind() == some[0].kind() {
			count++
		}
	}
	for _, r := range some {
		if r.kind() != some[0].kind() {
			return false
		}
	}
	return count == len(some)
}

// inTables leaves out what the tables of runs show.
func inTables(all []pictures.Difference) []pictures.Difference {
	return slices.DeleteFunc(all, func(d pictures.Difference) bool { return slices.Contains(shownElsewhere, d.Name) })
}

// byGroup puts the group's name in the place of its runs where it is all of one value.
func byGroup(differ []pictures.Difference, groups []pictures.Group, runs []*run) {
	for i := range differ {
		for k := range differ[i].Values {
			v := &differ[i].Values[k]
			for _, g := range groups {
				if len(g.Runs) < 2 {
					continue
				}
				var names []string
				for _, r := range g.Runs {
					names = append(names, runs[r].name)
				}
				inside := func(name string) bool { return slices.Contains(names, name) }
				if at := slices.IndexFunc(v.Runs, inside); at >= 0 && countOf(v.Runs, inside) == len(names) {
					v.Runs[at] = g.Network + " " + g.Label()
					v.Runs = slices.DeleteFunc(v.Runs, inside)
				}
			}
		}
	}
}

func countOf(names []string, is func(string) bool) int {
	n := 0
	for _, name := range names {
		if is(name) {
			n++
		}
	}
	return n
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
