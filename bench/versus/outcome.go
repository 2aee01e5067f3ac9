package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fx/bench/internal/command"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/machine"
)

// outcome is the measurements of a comparison so far, in a file that is rewritten with
// each measurement.
type outcome struct {
	Section string                     `json:"section"`
	Contest string                     `json:"contest"`
	Title   string                     `json:"title"`
	Terms   string                     `json:"terms,omitempty"`
	Setting setting                    `json:"setting"`
	Facts   map[string]json.RawMessage `json:"facts,omitempty"` // from prepare
	Sides   []sideOutcome              `json:"sides"`
}

// sideOutcome is the outcome of one side.
type sideOutcome struct {
	Name     string     `json:"name"`
	Title    string     `json:"title"`
	Commands [][]string `json:"commands,omitempty"` // of the last turn
	Runs     []turn     `json:"runs,omitempty"`
	Failure  string     `json:"failure,omitempty"` // the reason if it can't do the job
}

// turn is one measurement.
type turn struct {
	Round int       `json:"round"` // from 1
	When  time.Time `json:"when"`
	command.Usage
	Printed []json.RawMessage `json:"printed,omitempty"` // of each command, if it was JSON
}

// setting is the common conditions of all measurements on a page.
type setting struct {
	Hardware machine.Hardware  `json:"hardware"`
	Threads  int               `json:"threads"`
	Photos   int               `json:"photos"`
	Data     string            `json:"data"`   // SHA-256 of the photos' names and sizes
	FX       string            `json:"fx"`     // SHA-256 of the program
	Commit   string            `json:"commit"` // that it was built from; not compared
	Versions map[string]string `json:"versions"`
}

// differs names the difference that makes measurements of two settings incomparable, ""
// if there is none.
func (s setting) differs(other setting) string {
	switch {
	case s.Hardware != other.Hardware:
		return "the machine"
	case s.Threads != other.Threads:
		return "the number of threads"
	case s.Photos != other.Photos || s.Data != other.Data:
		return "the photos"
	case s.FX != other.FX:
		return "fx"
	case !maps.Equal(s.Versions, other.Versions):
		return "the peers' versions"
	}
	return ""
}

func outcomePath(folder, section, comparison string) string {
	return filepath.Join(folder, section, comparison+".json")
}

// readOutcome reads a file of save; ok is false if there is none.
func readOutcome(path string) (o outcome, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil
	} else if err != nil {
		return o, false, err
	}
	err = json.Unmarshal(text, &o)
	return o, err == nil, fail.Wrap(fail.Usage, err, "Remove the file.", "%s holds no measurements", path)
}

// readOutcomes reads all files of a section, in the order of their names.
func readOutcomes(folder, section string) ([]outcome, error) {
	paths, err := filepath.Glob(outcomePath(folder, section, "*"))
	if err != nil {
		return nil, err
	}
	var all []outcome
	for _, path := range paths {
		o, ok, err := readOutcome(path)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, o)
		}
	}
	return all, nil
}

func (o *outcome) save(folder string) error {
	path := outcomePath(folder, o.Section, o.Contest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		return err
	}
	return durable.WriteBytes(path, append(text, '\n'))
}

// side returns the outcome of a side, nil if it takes no part.
func (o *outcome) side(name string) *sideOutcome {
	i := slices.IndexFunc(o.Sides, func(s sideOutcome) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &o.Sides[i]
}

// has reports whether a round was measured.
func (s *sideOutcome) has(round int) bool {
	return slices.ContainsFunc(s.Runs, func(t turn) bool { return t.Round == round })
}

// know stores a fact.
func (o *outcome) know(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if o.Facts == nil {
		o.Facts = map[string]json.RawMessage{}
	}
	o.Facts[name] = text
	return nil
}

// fact reads a fact that know stored, and reports whether there is one.
func (o *outcome) fact(name string, into any) bool {
	text, ok := o.Facts[name]
	return ok && json.Unmarshal(text, into) == nil
}

// metric returns a number of a turn, and whether the turn has it.
type metric func(turn) (float64, bool)

func wall(t turn) (float64, bool) { return t.WallSeconds, true }
func cpu(t turn) (float64, bool)  { return t.CPUSeconds, true }
func peak(t turn) (float64, bool) { return t.PeakMB, t.PeakMB > 0 }

// printed is a number in the output of the last command that has it, by the names of the
// enclosing objects and its own.
func printed(names ...string) metric {
	return func(t turn) (float64, bool) {
		for _, text := range slices.Backward(t.Printed) {
			if value, ok := number(text, names); ok {
				return value, true
			}
		}
		return 0, false
	}
}

func number(text json.RawMessage, names []string) (float64, bool) {
	if len(names) == 0 {
		var value *float64
		err := json.Unmarshal(text, &value)
		if err != nil || value == nil {
			return 0, false
		}
		return *value, true
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil || object[names[0]] == nil {
		return 0, false
	}
	return number(object[names[0]], names[1:])
}

// values returns a metric by round.
func (s *sideOutcome) values(m metric) map[int]float64 {
	values := map[int]float64{}
	if s == nil || s.Failure != "" {
		return values
	}
	for _, t := range s.Runs {
		if value, ok := m(t); ok {
			values[t.Round] = value
		}
	}
	return values
}

// expect returns a check that the last printed document has these numbers.
func expect(want map[string]float64) func([]json.RawMessage) error {
	return func(printed []json.RawMessage) error {
		if len(printed) == 0 {
			return errors.New("printed nothing")
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if got, ok := number(printed[len(printed)-1], []string{name}); !ok || got != want[name] {
				return fmt.Errorf("%s is %g, not %g: it did another job", name, got, want[name])
			}
		}
		return nil
	}
}
