package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// sideOf is a side whose rounds took these seconds; each photo of 100 has its share.
func sideOf(name string, seconds ...float64) sideOutcome {
	s := sideOutcome{Name: name, Title: name}
	for i, second := range seconds {
		t := turn{Round: i + 1}
		t.WallSeconds = second
		t.Printed = []json.RawMessage{[]byte(fmt.Sprintf(`{"images_per_second": %g, "seconds": %g}`, 100/second,
			second))}
		s.Runs = append(s.Runs, t)
	}
	return s
}

func TestRatiosAreOfRounds(t *testing.T) {
	// The machine slows down: medians of the sides would give 2.5, the rounds say 2.
	o := outcome{Sides: []sideOutcome{sideOf("fx", 1, 2, 4), sideOf("torch", 2, 4, 8), sideOf("late", 5)}}
	for _, r := range []rival{{rate, true}, {of: seconds}} {
		if got := fmt.Sprint(r.ratios(&o, "fx", "torch")); got != "[2 2 2]" {
			t.Errorf("%+v: %s", r, got)
		}
	}
	if got := fmt.Sprint(rival{of: wall}.ratios(&o, "fx", "late")); got != "[5]" {
		t.Errorf("one common round: %s", got)
	}
	if got := (rival{of: wall}).ratios(&o, "fx", "timm"); len(got) != 0 {
		t.Errorf("no such side: %v", got)
	}
	o.Sides[1].Failure = "no"
	if got := (rival{of: wall}).ratios(&o, "fx", "torch"); len(got) != 0 ||
		(column{of: wall}).cell(&o.Sides[1]) != "can't" {
		t.Errorf("a failed side: %v", got)
	}
}

func TestAims(t *testing.T) {
	quick, slow := sideOf("fx", 0.02, 0.5, 0.02), sideOf("fx", 1)
	for want, a := range map[string]target{
		"× 2 met": atLeast("", []float64{1, 2, 9}, 2), "× 1.5 **missed**": atLeast("", []float64{1.49},
			1.5), "× 2 not measured": atLeast("", nil, 2),
		"< 0.03 s met": under("", &quick, 0.03), "< 1 s **missed**": under("", &slow,
			1), "< 1 s not measured": under("", nil, 1),
	} {
		if got := a.goal + " " + a.verdict(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	tutorial := func(fx ...string) target {
		o := outcome{Sides: []sideOutcome{sideOf("fx", 1, 1), sideOf("torch", 50, 50)}}
		for i, accuracy := range append(fx, "0.94", "0.96") {
			o.Sides[i/2].Runs[i%2].Printed = []json.RawMessage{[]byte(`{"best_val_accuracy": ` + accuracy + `}`)}
		}
		return tutorialTarget(&o)
	}
	if a := tutorial("0.93", "0.96"); a.verdict() != "met" || a.measured != "× 50.0, val accuracy -0.0050 ± 0.0180" {
		t.Errorf("%+v", a)
	}
	if a := tutorial("0.92", "0.94"); a.verdict() != "**missed**" {
		t.Errorf("a worse accuracy: %+v", a)
	}
}

// A fit that ends at a higher loss is not ahead, however short it was.
func TestLossesMustAgree(t *testing.T) {
	for loss, want := range map[string]string{"0.5": "met", "0.50049": "met", "0.4": "met", "0.501": "**missed**"} {
		fx, peer := sideOf("fx", 1), sideOf("scikit-learn", 2)
		fx.Runs[0].Printed[0] = []byte(`{"seconds": 1, "objective": ` + loss + `}`)
		peer.Runs[0].Printed[0] = []byte(`{"seconds": 2, "objective": 0.5}`)
		if a := headTarget(&outcome{Title: "small", Sides: []sideOutcome{fx, peer}}); a.verdict() != want {
			t.Errorf("a loss of %s beside 0.5: %+v", loss, a)
		}
	}
}

func TestLimit(t *testing.T) {
	l := limit{Operations: 4e9, Rate: 200e9, Decoding: 0.01}
	if got := l.imagesPerSecond(2); math.Abs(got-40) > 1e-9 { // 20 ms and 5 ms
		t.Errorf("%g images/s", got)
	}
}

func TestStandardError(t *testing.T) {
	// numpy's std(ddof=1) / 2
	if got := standardError([]float64{0.9, 0.94, 0.92, 0.96}); math.Abs(got-0.0129099) > 1e-6 {
		t.Errorf("%v", got)
	}
}

func TestFill(t *testing.T) {
	const page = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
	got, err := fill(page, "x", "new\n")
	if err != nil || got != "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := fill(page, "y", ""); err == nil || !strings.Contains(err.Error(), "<!-- y -->") {
		t.Errorf("%v", err)
	}
	for _, s := range sections {
		path := "../../docs/benchmarks.md"
		if s.name == "train" {
			path = "../../docs/bench-train.md"
		}
		own, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fill(string(own), s.name, ""); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
