package training

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Reader is who reads a setting: trainings and parts of them, one or several.
type Reader uint8

// The readers.
const (
	Extraction Reader = 1 << iota // of features, into a store
	Head                          // of a classifier on them
	Finetune                      // of a network from pretrained weights
	Scratch                       // of a network from random weights
	Graph                         // that is a training graph for a loop elsewhere, as fx artifacts generate writes it

	FeatureExtraction = Extraction | Head
	Network           = Finetune | Scratch
)

// Modes are the ways to train of an experiment, by name.
var Modes = map[string]Reader{"feature-extraction": FeatureExtraction, "finetune": Finetune, "scratch": Scratch}

var readers = map[string]Reader{"extraction": Extraction, "head": Head, "network": Network, "graph": Graph}

// Field is a setting.
type Field struct {
	Name   string // of the flag and in documents
	By     Reader // that read it
	Solver string // of heads that reads it, "" for both

	Choices []string // of a text; nothing where any will do

	InFiles bool // an experiment file may set it
	InRange bool // fx lr-find has the flag
	Result  bool // results depend on it

	interval *interval
	standard string // default
	index    int
}

// Fields are the settings that one of the readers reads, in the order of Settings.
func Fields(by Reader) []Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f Field) bool { return f.By&by == 0 })
}

// Of points to the setting in s: an *int, *uint64, *float64, *bool, *string, *[]string, or a **float64 that points
// to nil where it is unset.
func (f Field) Of(s *Settings) any {
	return reflect.ValueOf(s).Elem().Field(f.index).Addr().Interface()
}

// Usage is the help's text, for fx fit-head where the reader is Head.
func (f Field) Usage(by Reader) string {
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

// DefaultText is what the help shows in the place of the default, or "".
func (f Field) DefaultText() string { return usages[f.Name].unset }

// value of the setting, a nil where it is unset.
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

// same tells whether two settings have the same value here.
func (f Field) same(a, b Settings) bool { return reflect.DeepEqual(f.value(a), f.value(b)) }

var fields = readFields()

// defaults are those of the tags, and of PyTorch's tutorial "Finetuning Torchvision Models".
var defaults = readDefaults()

// Defaults are the settings of PyTorch's tutorial "Finetuning Torchvision Models". Those of the photos and
// of features, which the tutorial does not have, are explained at their fields.
func Defaults() Settings { return defaults }

func readFields() []Field {
	var all []Field
	t := reflect.TypeFor[Settings]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		f := Field{
			Name: tag.Get("json"), Solver: tag.Get("solver"), standard: tag.Get("default"), index: i,
			InFiles: tag.Get("yaml") != "-", InRange: tag.Get("lrfind") != "-", Result: tag.Get("result") != "-",
			Choices: strings.Fields(tag.Get("choices")),
		}
		for _, name := range strings.Split(tag.Get("by"), " ") {
			by, known := readers[name]
			if !known {
				panic(fmt.Sprintf("%s: nobody is called %q", f.Name, name))
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
