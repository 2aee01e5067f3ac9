package page

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/chart"
	"fx/internal/fail"
)

// Each group has its line in every chart, in a colour of its own, and its row of dots.
func TestChartsShowEveryGroup(t *testing.T) {
	p := examplePage(2, 3, 20, 2)
	for name, plots := range map[string][]chart.Plot{"accuracy": p.accuracies(), "loss": p.losses()} {
		if len(plots) != 2 {
			t.Fatalf("%s: %d plots of 2 networks", name, len(plots))
		}
		for _, plot := range plots {
			var colours []int
			for _, l := range plot.Lines {
				if l.Legend != "" {
					colours = append(colours, l.Colour)
				}
			}
			if !slices.Equal(colours, []int{0, 1, 2}) {
				t.Errorf("%s of %s: lines of the colours %v", name, plot.Name, colours)
			}
		}
	}
	first := p.accuracies()[0]
	if l := first.Lines[1]; l.Low == nil || l.Y[14] != p.Groups[1].Curve[14].Accuracy.Mean ||
		l.High[0] != p.Groups[1].Curve[0].Accuracy.High {
		t.Errorf("the line of finetuning: %+v", l)
	}
	if l := first.Lines[0].Legend; l != "feature extraction: 90.0\u00a0% ± 1.0, 3 runs" {
		t.Errorf("its legend %q", l)
	}
	if len(first.Limits) != 3 || first.Limits[0].Y != 0.8 ||
		first.Limits[0].Legend != "published sister, feature extraction: 80.0\u00a0%" {
		t.Errorf("others' figures: %+v", first.Limits)
	}
	loss := p.losses()[0].Lines
	if len(loss) != 6 || loss[0].Dashed || !loss[1].Dashed || loss[1].Y[0] != p.Groups[0].Curve[0].TrainLoss ||
		loss[0].Y[0] != p.Groups[0].Curve[0].ValLoss {
		t.Errorf("losses: %+v", loss)
	}
	dots := p.dots()
	if len(dots) != 6 || dots[5].Group != "network1" || len(dots[5].Dots) != 3 || dots[5].Mean != 0.9 ||
		dots[0].Limits[0] != 0.8 {
		t.Errorf("dots: %+v", dots)
	}
}

// Pictures lie beside the HTML file; a training of one point has no curves to draw.
func TestPicturesBesideThePage(t *testing.T) {
	for _, c := range []struct {
		points, pictures int
	}{{15, 3}, {1, 1}} {
		p := examplePage(1, 1, 20, 2)
		p.Groups[0].Detail = strings.Repeat("long ", 40)
		for i := range p.Groups {
			p.Groups[i].Curve = p.Groups[i].Curve[:c.points]
		}
		html := filepath.Join(t.TempDir(), "mine.html")
		made, err := Pictures(html, p)
		if err != nil || len(made) != c.pictures || made[len(made)-1] != strings.TrimSuffix(html,
			".html")+"-table.png" {
			t.Errorf("%d points: %v, %v", c.points, made, err)
		}
		for _, path := range made {
			if info, err := os.Stat(path); err != nil || info.Size() < 2000 {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	_, err := Pictures(filepath.Join(t.TempDir(), "nowhere", "p.html"), examplePage(1, 1, 20, 2))
	if !errors.Is(err, os.ErrNotExist) || fail.HintOf(err) == "" || !strings.Contains(err.Error(), "p-accuracy.png") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Two groups of one network never share a colour while there are any left.
func TestGroupsHaveTheirOwnColours(t *testing.T) {
	groups := []Group{{Mode: modes[1]}, {Mode: modes[1]}, {Mode: modes[0]}, {Mode: modes[1]}}
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
		Duration(0.63): "0.6\u00a0s", Duration(35.2): "35\u00a0s", Duration(155): "2\u00a0min 35\u00a0s",
		Duration(59.7):   "1\u00a0min 0\u00a0s",
		Duration(3599.6): "1\u00a0h 0\u00a0min", Duration(4320): "1\u00a0h 12\u00a0min",
		Count(7): "7", Count(1026): "1\u202f026", Count(723522): "723\u202f522", Count(1234567): "1\u202f234\u202f567",
		rate(0): "–", rate(31.44): "31.4", rate(5773.1): "5\u202f773", Percent(0.9542): "95.4\u00a0%",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
