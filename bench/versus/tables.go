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

// column is a number of every side in a section's table.
type column struct {
	title  string
	of     metric
	digits int  // significant digits; 0 means three
	mean   bool // shown as mean ± standard error, not as median and range
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
	return markdown.Summary(values, max(c.digits, 3))
}

// rival is the number to compare fx with the other sides by.
type rival struct {
	of     metric
	higher bool // higher is better, as for rates
}

// ratios returns how many times as good as a peer fx was, round by round.
func (r rival) ratios(o *outcome, of, peer string) []float64 {
	fx, other := o.side(of).values(r.of), o.side(peer).values(r.of)
	if !r.higher {
		fx, other = other, fx
	}
	return stats.Ratios(fx, other)
}

// sectionText returns the text of a section: a row for each side of each comparison, the targets, the section's facts,
// and the commands.
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
				ratio = "× " + markdown.Summary(values, 3)
			}
			rows = append(rows, append(row, ratio))
		}
	}
	b.WriteString(markdown.Table(append(head, "fx beside it"), rows))
	var targets [][]string
	for i := range all {
		if a := s.target(&all[i]); a.goal != "" {
			targets = append(targets, []string{a.what, a.goal, a.measured, a.verdict()})
		}
	}
	if len(targets) > 0 {
		b.WriteString("\n" + markdown.Table([]string{"", "target", "measured", ""}, targets))
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

// settingText describes when, where and with what a section was measured, and the processor time of other programs.
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

// target is a number that a section should reach.
type target struct {
	what, goal, measured string // measured is "" if nothing was measured
	met                  bool
}

func atLeast(what string, ratios []float64, goal float64) target {
	a := target{what: what, goal: fmt.Sprintf("× %g", goal)}
	if len(ratios) > 0 {
		median := stats.Median(ratios)
		a.measured, a.met = "× "+markdown.Figure(median, 3), median >= goal
	}
	return a
}

func under(what string, s *sideOutcome, seconds float64) target {
	a := target{what: what, goal: fmt.Sprintf("< %g s", seconds)}
	if values := inRounds(s.values(wall)); len(values) > 0 {
		median := stats.Median(values)
		a.measured, a.met = markdown.Figure(median, 3)+" s", median < seconds
	}
	return a
}

func (a target) verdict() string {
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

// above returns the difference of the mean of values from a peer's, with its standard error.
func above(values, peer []float64) (difference, deviation float64) {
	return stat.Mean(values, nil) - stat.Mean(peer, nil), math.Hypot(standardError(values), standardError(peer))
}
