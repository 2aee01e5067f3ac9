package chart

import (
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

func words(ticks []plot.Tick) string {
	var all []string
	for _, t := range ticks {
		all = append(all, t.Label)
	}
	return strings.Join(all, " ")
}

func TestTickRange(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0, 0.46, "0.0 0.1 0.2 0.3 0.4 0.5"},
		{0.78, 1, "0.75 0.80 0.85 0.90 0.95 1.00"},
		{0, 12.7, "0 5 10 15"},
		{0, 0, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{0, 3e-6, "0 1e-06 2e-06 3e-06"},
		{0, 4e30, "0 1e+30 2e+30 3e+30 4e+30"},
	} {
		if got := words(tickRange(c.low, c.high, 6, number)); got != c.want {
			t.Errorf("ticks of %g to %g are %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

func TestEpochTicksAreWhole(t *testing.T) {
	for _, c := range []struct {
		first, last int
		want        string
	}{
		{1, 1, "1"},
		{1, 5, "1 2 3 4 5"},
		{1, 30, "1 5 10 15 20 25 30"},
		{1, 100, "1 10 20 30 40 50 60 70 80 90 100"},
		{1, 1000, "1 100 200 300 400 500 600 700 800 900 1000"},
	} {
		if got := words(epochTicks(c.first, c.last)); got != c.want {
			t.Errorf("epochs %d to %d: %s, want %s", c.first, c.last, got, c.want)
		}
	}
}

func TestFitShortensOnlyWhatIsTooLong(t *testing.T) {
	style := letters(11, ink)
	name := "an extraordinarily long class name"
	if got := fit(style, name, style.Width(name)); got != name {
		t.Errorf("shortened to %q", got)
	}
	for _, share := range []vg.Length{0.9, 0.5, 0.2} {
		room := share * style.Width(name)
		short := fit(style, name, room)
		if !strings.HasSuffix(short, "…") || !strings.HasPrefix(name, strings.TrimSuffix(short, "…")) ||
			style.Width(short) > room {
			t.Errorf("shortened to %q, %g wide for %g", short, style.Width(short), room)
		}
	}
	if got := fit(style, name, 0); got != "…" {
		t.Errorf("without room: %q", got)
	}
}
