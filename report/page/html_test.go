package page

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fx/internal/chart"
	"fx/internal/metrics"
	"fx/internal/random"
)

var screenshots = flag.String("screenshots", "", "folder for screenshots of the pages that the tests open")

// noisyPhoto is a thumbnail of some 3.7 KB; those of the tutorial's photos take 3.1.
func noisyPhoto(n uint64) []byte {
	picture := image.NewRGBA(image.Rect(0, 0, ThumbnailSide, ThumbnailSide))
	s := random.New(n, "thumbnail")
	for y := range ThumbnailSide {
		for x := range ThumbnailSide {
			v := uint8(96 + 50*math.Sin(float64(x*y)/300+float64(n)) + 105*s.Float64())
			picture.Set(x, y, color.RGBA{v, v/2 + uint8(n*40)/2, v, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 70}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var modes = []Mode{{"feature-extraction", "feature extraction", 0}, {"finetune", "finetune", 1},
	{"scratch", "from scratch", 2}}

// examplePage has so many networks, each trained in three ways by so many
// seeds, evaluated on so many photos of so many classes.
func examplePage(networks, seeds, photos, classes int) Page {
	p := Page{
		Title: "An example", Summary: "What a test makes up.", Figures: []Figure{{"95.4 %", "best val accuracy"}},
		Shared: []Setting{{Name: "lr", Value: "0.001"}}, Notes: []string{"nothing of this was trained"},
		Differ: []Difference{{"epochs", []Variant{{"15", []string{"a", "b"}},
			{"2", []string{"c", "d", "e", "f", "g", "h"}}}}},
	}
	var names []string
	for c := range classes {
		names = append(names, fmt.Sprintf("class %d", c))
	}
	for i := range photos {
		photo := Photo{Name: fmt.Sprintf("val/class/photo number %d.jpg", i)}
		if i < 400 {
			photo.JPEG = noisyPhoto(uint64(i))
		}
		p.Photos = append(p.Photos, photo)
	}
	s := random.New(1, "page")
	for n := range networks {
		for k, mode := range modes {
			g := Group{Network: fmt.Sprintf("network%d", n), Mode: mode, Weights: "network.safetensors", Seconds: 100,
				ImagesPerSecond: 30, Parameters: 1234567}
			if n == 1 && mode.Key != "scratch" {
				g.Seeded, g.Weights = true, "seed:0, not trained"
			}
			for e := range 15 {
				v := 0.9 - 0.2*float64(k) - 0.3/float64(e+1)
				g.Curve = append(g.Curve,
					Band{Epoch: e + 1, Accuracy: metrics.Stats{Mean: v, SD: 0.01, Low: v - 0.02, High: v + 0.02,
						N: seeds}, TrainLoss: 1 - v, ValLoss: 1.2 - v})
			}
			g.Accuracy = metrics.Stats{Mean: 0.9, SD: 0.01, Low: 0.89, High: 0.91, N: seeds}
			if n == 0 {
				g.References = []Reference{{Name: "published", Network: "sister", Source: "a tutorial",
					BestValAccuracy: 0.8}}
			}
			for seed := range seeds {
				g.Runs = append(g.Runs, len(p.Runs))
				r := Run{Name: fmt.Sprintf("network%d-%s-seed%d", n, mode.Key, seed), Network: g.Network, Mode: mode,
					Weights: g.Weights, Seeded: g.Seeded,
					Classes: names, BestEpoch: 15, BestValAccuracy: 0.9, Seconds: 100}
				r.Evaluation = exampleEvaluation(s, photos, classes)
				p.Runs = append(p.Runs, r)
			}
			p.Groups = append(p.Groups, g)
		}
	}
	return p
}

// exampleEvaluation takes every seventh photo for the next class.
func exampleEvaluation(s *random.Stream, photos, classes int) *Evaluation {
	j := &Evaluation{Split: "val", Photos: photos, Map: &Map{Explained: [2]float64{0.4, 0.2}, Of: photos}}
	for range classes {
		j.Confusion = append(j.Confusion, make([]int, classes))
	}
	for i := range photos {
		p := Point{Prediction: metrics.Prediction{Photo: i, Label: i % classes, Class: i % classes, Probability: 0.7},
			X: s.Float64() + float64(i%classes), Y: s.Float64()}
		if i%7 == 0 {
			p.Class = (p.Label + 1) % classes
			j.Wrong++
			if len(j.Mistakes) < 24 {
				j.Mistakes = append(j.Mistakes, p)
			}
		}
		j.Confusion[p.Label][p.Class]++
		j.Map.Points = append(j.Map.Points, p)
	}
	for c := range classes {
		j.Classes = append(j.Classes, metrics.Class{Name: fmt.Sprintf("class %d", c), Precision: 0.9, Recall: 0.8,
			F1: 0.85, Support: photos / classes})
	}
	j.Accuracy = 1 - float64(j.Wrong)/float64(photos)
	return j
}

func writtenPage(t *testing.T, p Page) (path, content string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "report.html")
	if err := HTML(path, p); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(text)
}

// The page of twenty runs is at most 5 MB, holds each photo once, and refers to
// nothing outside itself.
func TestPageOfTwentyRunsStandsAlone(t *testing.T) {
	p := examplePage(7, 1, 600, 2)
	p.Runs, p.Groups = p.Runs[:20], p.Groups[:20]
	_, text := writtenPage(t, p)
	if size := len(p.Photos[0].JPEG); size < 3100 {
		t.Errorf("a thumbnail of %d bytes is smaller than those of photos", size)
	}
	t.Logf("%.1f MB", float64(len(text))/1e6)
	if len(text) > 5_000_000 {
		t.Errorf("%d bytes", len(text))
	}
	if n := strings.Count(text, "data:image/jpeg"); n != 400 {
		t.Errorf("%d thumbnails of 400 photos", n)
	}
	if outside := regexp.MustCompile(`(?i)(src|href)\s*=|@import|url\((?:[^d]|d[^a])`).FindAllString(text,
		-1); outside != nil {
		t.Errorf("the page refers to %q", outside)
	}
	if strings.Contains(text, "ZgotmplZ") {
		t.Error("the template dropped a value as unsafe")
	}
}

// Random weights are named wherever a run of them is shown.
func TestSeededWeightsAreNamed(t *testing.T) {
	p := examplePage(2, 2, 20, 2)
	_, text := writtenPage(t, p)
	const weights = "seed:0, not trained"
	// Two groups: a row each in the table, and a line each in the legends of two charts; four
	// runs: a row each in the table of runs, and the head of each.
	shown := regexp.MustCompile(`<script type="application/json".*|aria-label="[^"]*"`).ReplaceAllString(text, "")
	if n := strings.Count(shown, weights); n != 2+4+4+4 {
		t.Errorf("%q is in the page %d times", weights, n)
	}
	if n := strings.Count(text, "· not trained</option>"); n != 4 {
		t.Errorf("%d options tell of weights that are not trained", n)
	}
	lines := p.accuracies()[1].Lines // of the pictures' legend
	if !strings.Contains(lines[0].Legend, weights) || strings.Contains(lines[2].Legend, weights) {
		t.Errorf("the pictures' legend: %+v", lines)
	}
}

func TestNamesCannotBreakThePage(t *testing.T) {
	p := examplePage(1, 1, 20, 2)
	p.Title = `</title><script>alert(1)</script>`
	p.Runs[0].Classes = []string{`</script><b>`, `"'<!--`}
	p.Photos[0].Name = `</script><script>alert(2)</script>`
	_, text := writtenPage(t, p)
	if n := strings.Count(text, "</script>"); n != 2 {
		t.Errorf("%d scripts end in the page", n)
	}
	if strings.Contains(text, "alert(1)</script>") || strings.Contains(text, "<script>alert(2)") {
		t.Error("a name became a script")
	}
}

func TestPagesThatCannotBeDrawn(t *testing.T) {
	endless := examplePage(1, 1, 20, 2)
	endless.Groups[1].Curve[3].ValLoss = math.NaN()
	for name, p := range map[string]Page{"no runs": {}, "a loss that is no number": endless} {
		path := filepath.Join(t.TempDir(), "report.html")
		if err := HTML(path, p); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
}

// rings are the mistakes on a map.
const rings = "[stroke='var(--ink)'] > circle"

// The page opens in a real browser: the diagrams draw what they should, nothing
// is logged or asked of a network, and nothing sticks out on a phone.
func TestPageInBrowser(t *testing.T) {
	b := newBrowser(t)
	for _, c := range []struct {
		name string
		page Page
	}{
		{"one", examplePage(1, 1, 40, 2)},
		{"many", examplePage(6, 3, 600, 2)},
		{"classes", examplePage(1, 1, 600, 30)},
		{"matrix", examplePage(1, 1, 300, 12)},
	} {
		if c.name == "one" {
			c.page.Runs, c.page.Groups = c.page.Runs[:1], c.page.Groups[:1]
		}
		path, _ := writtenPage(t, c.page)
		for _, width := range []int{1440, 390} {
			b.open(path, width, 900)
			if said := b.complaints(); len(said) > 0 {
				t.Errorf("%s, %d pixels: the page complains: %s", c.name, width, said)
			}
			over := 0
			b.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over)
			if over > 0 {
				t.Errorf("%s, %d pixels: the page is %d pixels too wide", c.name, width, over)
			}
			curves := len(c.page.Groups)
			shown := c.page.Runs[c.page.Best].Evaluation
			for selector, want := range map[string]int{
				".accuracy svg.chart":                                  len(c.page.networks()),
				".accuracy svg.chart [stroke-width='2'] path":          curves,
				".loss svg.chart [stroke-width='2'] path":              2 * curves,
				".run:not([hidden])":                                   1,
				".run:not([hidden]) .map svg.chart [fill-opacity] > *": len(shown.Map.Points),
				".run:not([hidden]) .map svg.chart " + rings:           shown.Wrong,
				".run:not([hidden]) .mistakes li":                      len(shown.Mistakes),
			} {
				if got := b.count(selector); got != want {
					t.Errorf("%s, %d pixels: %d of %q, want %d", c.name, width, got, selector, want)
				}
			}
			if *screenshots != "" {
				b.screenshot(filepath.Join(*screenshots, fmt.Sprintf("%s-%d.png", c.name, width)))
			}
		}
	}
}

// What is pointed at is told, by mouse, finger and keyboard; another run is shown when it is chosen.
func TestPageAnswers(t *testing.T) {
	b := newBrowser(t)
	p := examplePage(1, 2, 60, 2)
	path, _ := writtenPage(t, p)
	b.open(path, 390, 844)
	tip := func(act string) string {
		text := ""
		b.evaluate(act+"; document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText", &text)
		return text
	}
	chart := "document.querySelector('.accuracy svg.chart')"
	key := func(of, name string) string {
		return fmt.Sprintf("%s.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true}))", of, name)
	}
	if said := tip(key(chart, "ArrowRight")); !strings.HasPrefix(said, "epoch 1") ||
		!strings.Contains(said, "feature extraction") || !strings.Contains(said, "60.0\u00a0%") {
		t.Errorf("the first epoch: %q", said)
	}
	if said := tip(key(chart, "ArrowRight")); !strings.HasPrefix(said, "epoch 2") {
		t.Errorf("the second epoch: %q", said)
	}
	if said := tip(key(chart, "Escape")); said != "" {
		t.Errorf("after Escape: %q", said)
	}
	point := fmt.Sprintf("document.querySelector(%q)", ".run:not([hidden]) .map svg.chart "+rings)
	said := tip(fmt.Sprintf(`{const box = %s.getBoundingClientRect();
		%[1]s.dispatchEvent(new PointerEvent('pointerdown', {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true, pointerType: 'touch'}))}`, point))
	if !strings.Contains(said, "wrong: is class 0") || !strings.Contains(said, "val/class/photo number") {
		t.Errorf("a mistake on the map: %q", said)
	}
	if b.count("#tip .photo") != 1 {
		t.Error("the mistake on the map has no thumbnail")
	}
	inside := false
	b.evaluate("(box => box.left >= 0 && box.right <= "+
		"innerWidth)(document.getElementById('tip').getBoundingClientRect())", &inside)
	if !inside {
		t.Error("the tip sticks out of the window")
	}
	shown := ""
	b.evaluate(`{const choice = document.getElementById('run'); choice.value = '3'; choice.dispatchEvent(new Event('change'))};
		new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done([...document.querySelectorAll('.run:not([hidden])')].map(run => run.id).join()))))`, &shown)
	if shown != "run-3" {
		t.Errorf("the choice of run 3 shows %q", shown)
	}
	if n := b.count("#run-3 .map svg.chart [fill-opacity] > *"); n != 60 {
		t.Errorf("the map of run 3 has %d points", n)
	}
	if said := b.complaints(); len(said) > 0 {
		t.Errorf("the page complains: %s", said)
	}
}

// Without JavaScript every table and every chart is there, of every run.
func TestPageWithoutScript(t *testing.T) {
	b := newBrowser(t)
	p := examplePage(1, 2, 40, 2)
	path, _ := writtenPage(t, p)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.load(path, 1440, 900)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)
	if n := b.count(".js"); n != 0 {
		t.Fatal("the script ran")
	}
	if n := b.count(".run:not([hidden]) .confusion"); n != len(p.Runs) {
		t.Errorf("%d confusion matrices of %d runs", n, len(p.Runs))
	}
	seen := 0
	b.evaluate("[...document.querySelectorAll('svg.chart')].filter(chart => chart.getBoundingClientRect().height > "+
		"100 && chart.querySelector('path, circle')).length", &seen)
	if seen != 2+len(p.Runs) {
		t.Errorf("%d charts to be seen of two plots and %d maps", seen, len(p.Runs))
	}
}

// The page's charts hold what the pictures beside it show: the same lines in the same places.
func TestPageAndPicturesShowTheSame(t *testing.T) {
	p := examplePage(1, 2, 20, 2)
	_, text := writtenPage(t, p)
	for _, plots := range [][]chart.Plot{p.accuracies(), p.losses()} {
		for _, plot := range plots {
			drawn, err := plot.SVG()
			if err != nil || !strings.Contains(text, drawn.Elements) {
				t.Errorf("the plot %s of %d lines is not in the page (%v)", plot.Name, len(plot.Lines), err)
			}
			for _, l := range plot.Lines {
				if l.Legend != "" && !strings.Contains(text, ">"+l.Legend+"</li>") {
					t.Errorf("%q is in no legend of the page", l.Legend)
				}
			}
		}
	}
}
