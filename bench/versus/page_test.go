package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/machine"
)

var update = flag.Bool("update", false, "write the golden page anew")

func TestFigures(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.00123: "0.00123", 0.01: "0.0100", 0.1234: "0.123", 0.99996: "1.00", 1.2345: "1.23", 9.996: "10.0", 12.34: "12.3", 99.96: "100", 1234.5: "1234", -2: "-2.00"} {
		if got := figure(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	for n, want := range map[int]string{7: "7", 397: "397", 1000: "1,000", 100000: "100,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// sideOf makes a side whose rounds took these seconds; each photo of 100 has its
// share.
func sideOf(name, title string, seconds ...float64) sideOutcome {
	s := sideOutcome{Name: name, Title: title, Commands: [][]string{{"/somewhere/" + name, "--data", "out/bench/photos/data"}}}
	for i, second := range seconds {
		t := turn{Round: i + 1, When: time.Date(2026, 1, 2, 0, i, 0, 0, time.UTC)}
		t.WallSeconds, t.CPUSeconds, t.PeakMB, t.OthersSeconds = second+1, 2*second, 100*second, (second+1)/10
		t.Printed = []json.RawMessage{[]byte(fmt.Sprintf(`{"images_per_second": %g, "seconds": %g}`, 100/second, second))}
		s.Runs = append(s.Runs, t)
	}
	return s
}

func TestRatiosAreOfRounds(t *testing.T) {
	// The machine slows down: medians of the sides would give 2.5, the rounds say 2.
	o := outcome{Sides: []sideOutcome{sideOf("fx", "fx", 1, 2, 4), sideOf("torch", "PyTorch", 2, 4, 8), sideOf("late", "late", 5)}}
	if got := timesCell(&o, "torch", printed("images_per_second"), higher); got != "× 2.00 (2.00–2.00)" {
		t.Errorf("rates: %s", got)
	}
	if got := timesCell(&o, "torch", printed("seconds"), lower); got != "× 2.00 (2.00–2.00)" {
		t.Errorf("times: %s", got)
	}
	if got := timesCell(&o, "late", printed("seconds"), lower); got != "× 5.00" {
		t.Errorf("one common round: %s", got)
	}
	if got := timesCell(&o, "timm", printed("seconds"), lower); got != takesNoPart {
		t.Errorf("no such side: %s", got)
	}
	o.Sides[1].Failure = "no"
	if got := timesCell(&o, "torch", printed("seconds"), lower); got != failed {
		t.Errorf("a failed side: %s", got)
	}
}

func TestAims(t *testing.T) {
	quick, slow := sideOf("fx", "fx", -0.98, -0.5, -0.98), sideOf("fx", "fx", 0)
	for want, a := range map[string]aim{
		"× 2, met": atLeast("", []float64{1, 2, 9}, 2), "× 1.5, **missed**": atLeast("", []float64{1.49}, 1.5), "× 2, not measured": atLeast("", nil, 2),
		"< 30 ms, met": under("", &quick, 30, "ms", 1e3), "< 1 s, **missed**": under("", &slow, 1, "s", 1), "< 1 s, not measured": under("", nil, 1, "s", 1),
	} {
		if a.String() != want {
			t.Errorf("%s, want %s", a, want)
		}
	}
	if a := under("", &quick, 30, "ms", 1e3); a.median != "20.0 ms" {
		t.Errorf("median %s", a.median)
	}
}

func TestLimit(t *testing.T) {
	l := limit{Operations: 4e9, Rate: 200e9, Decoding: 0.01}
	if got := l.imagesPerSecond(2); math.Abs(got-40) > 1e-9 { // 20 ms and 5 ms
		t.Errorf("%g images/s", got)
	}
}

func know(t *testing.T, o *outcome, facts map[string]any) {
	t.Helper()
	for name, value := range facts {
		if err := o.know(name, value); err != nil {
			t.Fatal(err)
		}
	}
}

// everySection is what a whole run leaves.
func everySection(t *testing.T) map[string][]outcome {
	common := setting{Hardware: machine.Hardware{CPU: "AMD EPYC, 2 cores", Caches: "L1 32K", Vectors: "AVX-512", MemoryBytes: 25e9}, Threads: 2, Photos: 100, Commit: "abc", Versions: map[string]string{"torch": "2.15.0", "Go": "1.26.0"}}
	of := func(section, contest, title string, sides ...sideOutcome) outcome {
		o := outcome{Section: section, Contest: contest, Title: title, Setting: common, Sides: sides}
		know(t, &o, map[string]any{"trained": contest != "alexnet"})
		return o
	}
	printing := func(s sideOutcome, text string) sideOutcome {
		for i := range s.Runs {
			s.Runs[i].Printed = append(s.Runs[i].Printed, json.RawMessage(text))
		}
		return s
	}
	alexnet := of("embeddings", "alexnet", "alexnet", sideOf("fx", "fx", 1, 1), sideOf("torch", "PyTorch", 1.5, 1.5), sideOf("onnxruntime", "ONNX Runtime, Python", 2, 2))
	squeezenet := of("embeddings", "squeezenet1_1", "squeezenet1_1", sideOf("fx", "fx", 1, 1.1, 0.9), sideOf("torch", "PyTorch", 2, 2.2, 2.8), sideOutcome{Name: "onnxruntime", Title: "ONNX Runtime, Python", Failure: "ValueError: no"})
	know(t, &squeezenet, map[string]any{
		"agreement": map[string]agreement{"torch": {Worst: 2e-7}}, "tuned": setup{Workers: 1, BatchSize: 8, Threads: 2, Rate: 50},
		"limit":   limit{Operations: 4e9, Rate: 200e9, Decoding: 0.01, TorchForward: 0.019, FXForward: 0.008},
		"profile": "## squeezenet1_1, batch 8\n\nA batch takes 1 ms.\n",
	})
	tutorial := of("tutorial", "feature-extraction", "squeezenet1_1", printing(sideOf("fx", "fx", 2, 2), `{"best_val_accuracy": 0.925}`), printing(sideOf("fx-views", "fx, --views 4", 3, 3), `{"best_val_accuracy": 0.95}`), printing(sideOf("torch", "PyTorch", 150, 160), `{"best_val_accuracy": 0.94}`))
	tutorial.Terms = "15 epochs"
	lbfgs := `{"seconds": 0.25, "iterations": 12, "evaluations": 15, "objective": 0.123456789, "gradient_max": 0.00009, "val_accuracy": 0.9}`
	head := of("heads", "1-lbfgs", "400 × 512 × 2, L-BFGS", printing(sideOf("fx", "fx", 1), lbfgs), printing(sideOf("scikit-learn", "scikit-learn", 2), strings.Replace(lbfgs, "0.25", "0.5", 1)))
	again := of("again", "1-unchanged", "nothing changed", sideOf("fx", "fx", 0.5))
	again.Terms = "10,000 photos"
	again.Setting.FX = "another"
	decode := of("decode", "one-core", "one core", printing(sideOf("fx", "fx", 1), `{"images_per_second": {"decode": 400, "fast_decode": 800}}`), printing(sideOf("pillow", "Pillow", 1), `{"images_per_second": {"decode": 200, "fast_decode": null}}`))
	startup := []outcome{of("startup", "1-help", "fx --help", sideOf("fx", "fx", -0.99, -0.98)), of("startup", "3-predict", "fx predict", sideOf("fx", "fx", -0.5), sideOf("torch", "PyTorch", 1))}
	return map[string][]outcome{
		"embeddings": {alexnet, squeezenet}, "tutorial": {tutorial}, "heads": {head}, "again": {again}, "decode": {decode}, "startup": startup,
		"scale": {of("scale", "0001000", "1,000", sideOf("fx", "fx", 10), sideOf("torch", "PyTorch", 20)), of("scale", "0010000", "10,000", sideOf("fx", "fx", 100))},
	}
}

func TestStandardError(t *testing.T) {
	if got := standardError([]float64{0.9, 0.94, 0.92, 0.96}); math.Abs(got-0.0129099) > 1e-6 { // numpy's std(ddof=1) / 2
		t.Errorf("%v", got)
	}
}

// A fit that ends at a higher loss is not ahead, however short it was.
func TestLossesMustAgree(t *testing.T) {
	fit := func(side, title, objective string) sideOutcome {
		s := sideOf(side, title, 1)
		s.Runs[0].Printed = []json.RawMessage{[]byte(`{"seconds": 1, "objective": ` + objective + `}`)}
		return s
	}
	for objective, want := range map[string]string{"0.5": "met", "0.50049": "met", "0.4": "met", "0.501": "**missed**"} {
		var p page
		peer := fit("scikit-learn", "scikit-learn", "0.5")
		peer.Runs[0].Printed[0] = []byte(`{"seconds": 2, "objective": 0.5}`)
		writeHeads(&p, []outcome{{Title: "small", Sides: []sideOutcome{fit("fx", "fx", objective), peer}}})
		if p.aims[0].verdict() != want {
			t.Errorf("a loss of %s beside 0.5: %+v", objective, p.aims[0])
		}
	}
}

// The page is held as a whole: run the test with -update and read the difference.
func TestPage(t *testing.T) {
	got := pageText(everySection(t), map[string]string{"overview": "In short.", "heads": "What holds it back."})
	golden := filepath.Join("testdata", "page.md")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page differs from %s:\n%s", golden, got)
	}
}

func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.md")
	if notes, err := readNotes(path); err != nil || len(notes) != 0 {
		t.Errorf("no file: %v, %v", notes, err)
	}
	text := "What this is.\n\n## overview\n\nAll aims are met.\n\n### but\n\none\n\n## heads\n\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	notes, err := readNotes(path)
	if err != nil || notes["overview"] != "All aims are met.\n\n### but\n\none" || notes["heads"] != "" {
		t.Errorf("%q, %v", notes, err)
	}
	if err := os.WriteFile(path, []byte("## haeds\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readNotes(path); fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "haeds") {
		t.Errorf("%v", err)
	}
	if _, err := readNotes("notes.md"); err != nil { // the project's own
		t.Error(err)
	}
}
