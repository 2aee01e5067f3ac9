package report

import (
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/modeldir"
)

// pictureOf draws p and reads the picture back.
func pictureOf(t *testing.T, draw func(string, Page) error, p Page) image.Image {
	t.Helper()
	return drawn(t, func(path string, _ Report) error { return draw(path, p) }, Report{})
}

// pixels counts those of exactly the colour.
func pixels(img image.Image, c colour) int {
	n := 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)) == color.Color(c) {
				n++
			}
		}
	}
	return n
}

// Each way of training has its colour in every picture, and none that is not there.
func TestPicturesDrawEveryGroup(t *testing.T) {
	three, two := examplePage(1, 2, 20, 2), examplePage(1, 2, 20, 2)
	two.Groups = two.Groups[:2]
	for name, draw := range map[string]func(string, Page) error{"accuracy": AccuracyByEpoch, "loss": LossByEpoch, "table": Table} {
		all, some := pictureOf(t, draw, three), pictureOf(t, draw, two)
		for i := range 3 {
			if n := pixels(all, paint(i)); n < 100 {
				t.Errorf("%s: %d pixels of colour %d", name, n, i)
			}
		}
		if n := pixels(some, paint(2)); n > 0 {
			t.Errorf("%s: %d pixels of a group that is not there", name, n)
		}
	}
}

// The higher accuracy lies above the lower one.
func TestAccuraciesLieWhereTheyAre(t *testing.T) {
	p := examplePage(1, 1, 20, 2)
	for i := range p.Groups {
		p.Groups[i].References = nil
		for e := range p.Groups[i].Curve {
			p.Groups[i].Curve[e].Accuracy.Mean = 0.9 - 0.3*float64(i)
		}
	}
	img := pictureOf(t, AccuracyByEpoch, p)
	third := img.Bounds().Dy() / 3 // below the legend
	var rows [3]int
	for i := range rows {
		row, n := longestRow(img, paint(i), third, img.Bounds().Dy())
		if n < 800 {
			t.Errorf("line %d is %d pixels long", i, n)
		}
		rows[i] = row
	}
	if rows[0] >= rows[1] || rows[1] >= rows[2] {
		t.Errorf("the lines lie in the rows %v", rows)
	}
}

func TestPicturesTakeAnyPage(t *testing.T) {
	one := examplePage(1, 1, 20, 2)
	one.Groups[0].Curve, one.Groups[0].Detail = one.Groups[0].Curve[:1], strings.Repeat("long ", 40)
	for _, p := range []Page{one, examplePage(4, 1, 10, 2), examplePage(7, 3, 10, 2)} {
		for _, draw := range []func(string, Page) error{AccuracyByEpoch, LossByEpoch, Table} {
			pictureOf(t, draw, p)
		}
	}
	for _, draw := range []func(string, Page) error{AccuracyByEpoch, LossByEpoch, Table} {
		if err := draw(filepath.Join(t.TempDir(), "p.png"), Page{}); err == nil {
			t.Error("a page without runs was drawn")
		}
	}
}

// Two groups of one network never share a colour while there are any left.
func TestGroupsHaveTheirOwnColours(t *testing.T) {
	groups := []Group{{Mode: modeldir.Finetune}, {Mode: modeldir.Finetune}, {Mode: modeldir.FeatureExtraction}, {Mode: modeldir.Finetune}}
	colours := coloursOf(groups)
	if colours[0] != 1 || colours[2] != 0 {
		t.Errorf("colours %v", colours)
	}
	seen := map[int]bool{}
	for _, c := range colours {
		if seen[c] {
			t.Errorf("colours %v", colours)
		}
		seen[c] = true
	}
}

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		Duration(0.63): "0.6\u00a0s", Duration(35.2): "35\u00a0s", Duration(155): "2\u00a0min 35\u00a0s", Duration(59.7): "1\u00a0min 0\u00a0s",
		Duration(3599.6): "1\u00a0h 0\u00a0min", Duration(4320): "1\u00a0h 12\u00a0min",
		Count(7): "7", Count(1026): "1\u202f026", Count(723522): "723\u202f522", Count(1234567): "1\u202f234\u202f567",
		rate(0): "–", rate(31.44): "31.4", rate(5773.1): "5\u202f773", Percent(0.9542): "95.4\u00a0%",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
