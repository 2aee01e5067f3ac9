package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"fx/bench/internal/stats"
)

// table writes a Markdown table; all columns but the first are numbers.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	b.WriteString("|---|" + strings.Repeat("---:|", len(head)-1) + "\n")
	for _, cells := range rows {
		line(cells)
	}
	return b.String()
}

// What stands in a cell without a number.
const (
	takesNoPart = "—"
	failed      = "can't"
)

// cell is the median of a side's metric, with the least and the greatest where
// there are several.
func cell(s *sideOutcome, m metric) string {
	switch {
	case s == nil:
		return takesNoPart
	case s.Failure != "":
		return failed
	}
	return spread(slices.Collect(maps.Values(s.values(m))))
}

func spread(values []float64) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return figure(values[0])
	}
	s := stats.SpreadOf(values)
	return fmt.Sprintf("%s (%s–%s)", figure(s.Median), figure(s.Low), figure(s.High))
}

// figure has three significant digits, as many as such measurements bear.
func figure(x float64) string {
	switch size := math.Abs(x); {
	case size >= 99.95 || size == 0:
		return fmt.Sprintf("%.0f", x)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case size >= 0.9995:
		return fmt.Sprintf("%.2f", x)
	case size >= 0.0995:
		return fmt.Sprintf("%.3f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// better says which of two numbers is the good one.
type better int

const (
	higher better = iota // of rates
	lower                // of times
)

// times says how many times as good as a peer fx was, round by round: of
// rates fx over the peer, of times the peer over fx.
func times(o *outcome, peer string, m metric, b better) []float64 {
	fx, other := o.side("fx").values(m), o.side(peer).values(m)
	if b == lower {
		fx, other = other, fx
	}
	return stats.Ratios(fx, other)
}

// timesCell is times in a table.
func timesCell(o *outcome, peer string, m metric, b better) string {
	s := o.side(peer)
	if s == nil {
		return takesNoPart
	}
	if s.Failure != "" || o.side("fx").Failure != "" {
		return failed
	}
	values := times(o, peer, m, b)
	if len(values) == 0 {
		return ""
	}
	return "× " + spread(values)
}

// aimed says whether the median reaches an aim.
func aimed(values []float64, aim float64) string {
	text := fmt.Sprintf("× %.1f", aim)
	switch {
	case len(values) == 0:
		return text
	case stats.Median(values) >= aim:
		return text + ", met"
	}
	return text + ", **missed**"
}
