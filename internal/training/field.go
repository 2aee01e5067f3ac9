package training

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// UsedBy is a set of trainings, or of parts of them, that use a setting.
type UsedBy uint8

const (
	Extraction UsedBy = 1 << iota // of features, into a store
	Head                          // of a classifier on them
	Finetune                      // of a network from pretrained weights
	Scratch                       // of a network from random weights
	Graph                         // a training graph for another training loop, written by fx artifacts generate

	FeatureExtraction = Extraction | Head
	Network           = Finetune | Scratch
)

// Modes are the training modes of an experiment, by name.
var Modes = map[string]UsedBy{"feature-extraction": FeatureExtraction, "finetune": Finetune, "scratch": Scratch}

var usedBy = map[string]UsedBy{"extraction": Extraction, "head": Head, "network": Network, "graph": Graph}

// Field is a setting.
type Field struct {
	Name   string // of the flag and in documents
	By     UsedBy
	Solver string // the solver of heads that uses it, "" for both

	Choices []string // of a text; empty if any text is valid

	YAML      bool // an experiment file may set it
	RangeTest bool // fx lr-find has the flag
	Result    bool // results depend on it

	interval *interval
	standard string // default
	index    int
}

// Fields returns the settings that a training in by uses, in the order of Settings.
func Fields(by UsedBy) []Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f Field) bool { return f.By&by == 0 })
}

// Of returns a pointer to the setting in s: an *int, *uint64, *float64, *bool, *string, *[]string, or a **float64
// that points to nil if it is unset.
func (f Field) Of(s *Settings) any {
	return reflect.ValueOf(s).Elem().Field(f.index).Addr().Interface()
}

// Usage returns the help text; for Head, that of fx fit-head.
func (f Field) Usage(by UsedBy) string {
	u := usages[f.Name]
	if by != Head {
		return u.text
	}
	text := u.text
	if u.head != "" {
		text = u.head
	}
	if f.Solver != "" {
		return f.Solver + ": " + text
	}
	return text
}

// DefaultText returns the text that the help shows instead of the default, or "".
func (f Field) DefaultText(by UsedBy) string {
	u := usages[f.Name]
	if by == Head && u.head != "" {
		return ""
	}
	return u.unset
}

// value returns the value of the setting, nil if it is unset.
func (f Field) value(s Settings) any {
	switch v := f.Of(&s).(type) {
	case **float64:
		if *v == nil {
			return nil
		}
		return **v
	default:
		return reflect.ValueOf(v).Elem().Interface()
	}
}

// same reports whether two settings have the same value in this field.
func (f Field) same(a, b Settings) bool { return reflect.DeepEqual(f.value(a), f.value(b)) }

var fields = readFields()

// defaults are those of the tags, which are those of PyTorch's tutorial "Finetuning Torchvision Models".
var defaults = readDefaults()

// Defaults returns the settings of PyTorch's tutorial "Finetuning Torchvision Models". The fields of photos and
// features, which the tutorial does not have, explain their defaults.
func Defaults() Settings { return defaults }

func readFields() []Field {
	var all []Field
	t := reflect.TypeFor[Settings]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := Field{
			Name: tag.Get("json"), Solver: tag.Get("solver"), standard: tag.Get("default"), index: i,
			YAML: tag.Get("yaml") != "-", RangeTest: tag.Get("lrfind") != "-", Result: tag.Get("result") != "-",
			Choices: strings.Fields(tag.Get("choices")),
		}
		for _, name := range strings.Split(tag.Get("by"), " ") {
			by, known := usedBy[name]
			if !known {
				panic(fmt.Sprintf("%s: nothing called %q uses settings", f.Name, name))
			}
			f.By |= by
		}
		if text := tag.Get("range"); text != "" {
			f.interval = parseInterval(text)
		}
		all = append(all, f)
	}
	return all
}

func readDefaults() (s Settings) {
	for _, f := range fields {
		if f.standard == "" {
			continue
		}
		var err error
		switch v := f.Of(&s).(type) {
		case *string:
			*v = f.standard
		case *int:
			*v, err = strconv.Atoi(f.standard)
		case *float64:
			*v, err = strconv.ParseFloat(f.standard, 64)
		default:
			err = fmt.Errorf("%T has the zero value for a default", v)
		}
		if err != nil {
			panic(fmt.Sprintf("%s: %v", f.Name, err))
		}
	}
	return s
}
