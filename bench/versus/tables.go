package main

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"fx/bench/internal/markdown"
	"fx/bench/internal/stats"
)

// column is a number that a section's table has of every side.
type column struct {
	title  string
	of     metric
	digits int  // that it is shown with; 0: three
	mean   bool // shown as its mean ± standard error, not as median and range
}

func (c column) cell(s *sideOutcome) string {
	values := inRounds(s.values(c.of))
	switch {
	case s.Failure != "":
		return "can't"
	case len(values) == 0:
		return "—"
	case c.mean && len(values) > 1:
		return fmt.Sprintf("%.4f ± %.4f", stat.Mean(values, nil), standardError(values))
	}
	return markdown.Spread(values, max(c.digits, 3))
}

// rival is the number by which fx is compared with the other sides.
type rival struct {
	of     metric
	higher bool // is better, as of rates; of times the lower one is
}

// ratios say how many times as good as a peer fx was, round by round.
func (r rival) ratios(o *outcome, of, peer string) []float64 {
	fx, other := o.side(of).values(r.of), o.side(peer).values(r.of)
	if !r.higher {
		fx, other = other, fx
	}
	return stats.Ratios(fx, other)
}

// sectionText writes what was measured of a section: a row for each side of each contest, the aims, what the facts of
// the section say, and the commands.
func sectionText(s section, all []outcome) string {
	all = slices.Clone(all)
	if s.order != nil {
		slices.SortStableFunc(all, func(a, b outcome) int { return s.order(a.Contest) - s.order(b.Contest) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", settingText(all), weightsText(all))
	head := []string{"", "side", "turns", "seconds", "processor seconds", "peak MB"}
	for _, c := range s.columns {
		head = append(head, c.title)
	}
	var rows [][]string
	for i := range all {
		o := &all[i]
		for j := range o.Sides {
			side := &o.Sides[j]
			row := []string{o.Title, side.Title, fmt.Sprint(len(side.Runs))}
			for _, c := range append([]column{{of: wall}, {of: cpu}, {of: peak}}, s.columns...) {
				row = append(row, c.cell(side))
			}
			ratio := ""
			if values := s.rival.ratios(o, fxSide.name, side.Name); j > 0 && len(values) > 0 {
				ratio = "× " + markdown.Spread(values, 3)
			}
			rows = append(rows, append(row, ratio))
		}
	}
	b.WriteString(markdown.Table(append(head, "fx beside it"), rows))
	var aims [][]string
	for i := range all {
		if a := s.aim(&all[i]); a.goal != "" {
			aims = append(aims, []string{a.what, a.goal, a.measured, a.verdict()})
		}
	}
	if len(aims) > 0 {
		b.WriteString("\n" + markdown.Table([]string{"", "aim", "measured", ""}, aims))
	}
	if s.facts != nil {
		b.WriteString(s.facts(all))
	}
	fmt.Fprintf(&b, "\nThe commands, those of %s:\n\n", all[0].Title)
	for _, side := range all[0].Sides {
		for _, argv := range side.Commands {
			argv = slices.Clone(argv)
			if filepath.IsAbs(argv[0]) {
				argv[0] = filepath.Base(argv[0])
			}
			fmt.Fprintf(&b, "    %s\n", strings.Join(argv, " "))
		}
	}
	b.WriteString(failuresText(all))
	return b.String()
}

// settingText says when, where and with what a section was measured, and how much of the processors others took.
func settingText(all []outcome) string {
	s := all[0].Setting
	var last time.Time
	seconds, others := 0.0, 0.0
	for _, o := range all {
		for _, side := range o.Sides {
			for _, t := range side.Runs {
				seconds, others = seconds+t.WallSeconds, others+t.OthersSeconds
				if t.When.After(last) {
					last = t.When
				}
			}
		}
	}
	parts := []string{"Measured on " + last.Format(time.DateOnly), s.Hardware.CPU}
	for _, part := range []string{s.Hardware.Vectors, s.Hardware.Caches} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	versions := []string{"fx " + s.Commit}
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		versions = append(versions, name+" "+s.Versions[name])
	}
	parts = append(parts, fmt.Sprintf("%d threads", s.Threads), count(s.Photos)+" photos", strings.Join(versions, ", "))
	if others > 0 {
		share := 100 * others / (seconds * float64(s.Threads))
		parts = append(parts, fmt.Sprintf("other programs had %.1f %% of as many processors", share))
	}
	return strings.Join(parts, "; ") + "."
}

// weightsText names the networks whose weights are random.
func weightsText(all []outcome) string {
	var seeded []string
	for i := range all {
		var trained bool
		if all[i].fact("trained", &trained) && !trained {
			seeded = append(seeded, all[i].Title)
		}
	}
	if len(seeded) == 0 {
		return ""
	}
	return "\nWeights are random (`--weights seed:0`), the same on all sides, which times do not depend on: " +
		strings.Join(seeded, ", ") + ".\n"
}

func failuresText(all []outcome) string {
	text := ""
	for _, o := range all {
		for _, s := range o.Sides {
			if s.Failure != "" {
				text += fmt.Sprintf("- %s, %s: %s\n", o.Title, s.Title, s.Failure)
			}
		}
	}
	if text != "" {
		text = "\nWhat can't be done:\n\n" + text
	}
	return text
}

// aim is a number that a section promises to reach.
type aim struct {
	what, goal, measured string // measured is "" where nothing was
	met                  bool
}

func atLeast(what string, ratios []float64, goal float64) aim {
	a := aim{what: what, goal: fmt.Sprintf("× %g", goal)}
	if len(ratios) > 0 {
		median := stats.Median(ratios)
		a.measured, a.met = "× "+markdown.Figure(median, 3), median >= goal
	}
	return a
}

func under(what string, s *sideOutcome, seconds float64) aim {
	a := aim{what: what, goal: fmt.Sprintf("< %g s", seconds)}
	if values := inRounds(s.values(wall)); len(values) > 0 {
		median := stats.Median(values)
		a.measured, a.met = markdown.Figure(median, 3)+" s", median < seconds
	}
	return a
}

func (a aim) verdict() string {
	switch {
	case a.measured == "":
		return "not measured"
	case a.met:
		return "met"
	}
	return "**missed**"
}

// inRounds are values without their rounds, lowest first.
func inRounds(values map[int]float64) []float64 { return slices.Sorted(maps.Values(values)) }

// standardError of the mean of two values or more.
func standardError(values []float64) float64 {
	return stat.StdErr(stat.StdDev(values, nil), float64(len(values)))
}

// above says how far the mean of values lies above a peer's, and with which standard error.
func above(values, peer []float64) (difference, deviation float64) {
	return stat.Mean(values, nil) - stat.Mean(peer, nil), math.Hypot(standardError(values), standardError(peer))
}
