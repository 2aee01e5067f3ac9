//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
)

// A page or a table that holds a time is another file after each run, so its content can't be
// compared. What the command says of it with --json can be.

// said maps the place of every value in the JSON that a command prints to the value.
type said map[string]string

// timed is the end of a place whose value is a time or depends on one.
var timed = regexp.MustCompile(`(seconds|_per_second|_at|bytes|sha256|made|time)$`)

// parseSaid returns what a command said, but for times and what depends on them.
func parseSaid(text string) (said, error) {
	var all any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	s := said{}
	s.add("", all)
	return s, nil
}

func (s said) add(place string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			s.add(place+"/"+key, below)
		}
	case []any:
		s[place+"/length"] = fmt.Sprint(len(v))
		for i, below := range v {
			s.add(fmt.Sprintf("%s/%d", place, i), below)
		}
	default:
		if !timed.MatchString(place) {
			s[place] = fmt.Sprint(v)
		}
	}
}

// keepCommon drops what another run without a fault says otherwise.
func (s said) keepCommon(other said) {
	maps.DeleteFunc(s, func(place, value string) bool {
		now, ok := other[place]
		return !ok || now != value
	})
}

// differs returns where text says something other than s.
func (s said) differs(text string) (problems []string) {
	now, err := parseSaid(text)
	if err != nil {
		return []string{"exit code 0, but it says no JSON: " + err.Error()}
	}
	for _, place := range slices.Sorted(maps.Keys(s)) {
		if now[place] != s[place] {
			problems = append(problems, fmt.Sprintf("exit code 0, but it says %q at %s, and %q without a fault",
				now[place], place, s[place]))
		}
	}
	return problems
}

func TestSaid(t *testing.T) {
	first, err := parseSaid(`{"seconds": 1, "notes": [], "run": {"id": "a", "accuracy": 0.5}}`)
	if err != nil {
		t.Fatal(err)
	}
	second, err := parseSaid(`{"seconds": 2, "notes": [], "run": {"id": "b", "accuracy": 0.5}}`)
	if err != nil {
		t.Fatal(err)
	}
	first.keepCommon(second)
	problems := first.differs(`{"seconds": 3, "notes": [], "run": {"id": "c", "accuracy": 0.5}}`)
	if len(problems) > 0 {
		t.Errorf("the same but for times and a name: %q", problems)
	}
	for text, want := range map[string]int{
		`{"notes": ["4 photos are gone"], "run": {"accuracy": 0.5}}`: 1,
		`{"notes": [], "run": {"accuracy": 0.75}}`:                   1,
		`{"notes": []}`: 1,
		``:              1,
	} {
		if problems := first.differs(text); len(problems) != want {
			t.Errorf("%s: %q", text, problems)
		}
	}
}
