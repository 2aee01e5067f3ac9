package main

import (
	"fmt"
	"strconv"
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
	return spread(inRounds(s.values(m)))
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
	if x == 0 {
		return "0"
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 2, 64), "e") // of the rounded number
	magnitude, _ := strconv.Atoi(exponent)
	return strconv.FormatFloat(x, 'f', max(0, 2-magnitude), 64)
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

// aim is a number that the page promises to reach, and how it stands.
type aim struct {
	what   string
	goal   string
	median string // "" where nothing was measured
	met    bool
}

// atLeast is an aim for a ratio.
func atLeast(what string, ratios []float64, goal float64) aim {
	a := aim{what: what, goal: fmt.Sprintf("× %g", goal)}
	if len(ratios) > 0 {
		median := stats.Median(ratios)
		a.median, a.met = "× "+figure(median), median >= goal
	}
	return a
}

// under is an aim for a time, with its unit and how many of them a second has.
func under(what string, s *sideOutcome, goal float64, unit string, perSecond float64) aim {
	a := aim{what: what, goal: fmt.Sprintf("< %g %s", goal, unit)}
	if values := inRounds(s.values(wall)); len(values) > 0 {
		median := stats.Median(values) * perSecond
		a.median, a.met = figure(median)+" "+unit, median < goal
	}
	return a
}

// verdict is the last word on an aim.
func (a aim) verdict() string {
	switch {
	case a.median == "":
		return "not measured"
	case a.met:
		return "met"
	}
	return "**missed**"
}

// String is the aim as a column of a table has it.
func (a aim) String() string { return a.goal + ", " + a.verdict() }
