package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fx/bench/internal/stats"
)

// tables writes results, of which there is one at least, as Markdown.
func tables(all []result, when time.Time) string {
	t := newTable(all)
	var b strings.Builder
	fmt.Fprintf(&b, "# One training step, %s\n\n", when.Format(time.DateOnly))
	fmt.Fprintf(&b, "- %s\n- %s; all parameters learn by SGD with momentum 0.9, from random weights; no photos are decoded\n", all[0].CPU, all[0].Setting)
	for _, v := range t.versions() {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	b.WriteString("\n## Milliseconds a step\n\nThe median over processes of the median of their steps, and in brackets the fastest and the slowest process.\n\n")
	t.write(&b, func(r result) string {
		low, middle, high := r.times()
		return fmt.Sprintf("%.0f (%.0f–%.0f)", middle, low, high)
	})
	b.WriteString("\n## fx's time as a multiple of a peer's\n\nBelow 1 fx is faster.\n\n")
	t.writeRatios(&b, func(r result) float64 { _, middle, _ := r.times(); return middle })
	b.WriteString("\n## Peak resident memory of the process, MB\n\nFrom its start to the last step, in 10⁶ bytes; the largest of the processes.\n\n")
	t.write(&b, func(r result) string { return fmt.Sprintf("%.0f", r.peak()) })
	b.WriteString("\n## fx's memory as a multiple of a peer's\n\n")
	t.writeRatios(&b, result.peak)
	t.writeRemarks(&b)
	t.writeProfiles(&b)
	return b.String()
}

// table has a row for each network and a column for each peer, in the order in
// which they come.
type table struct {
	networks []string
	peers    []result // any result of each
	results  map[string]map[string]result
}

func newTable(all []result) table {
	t := table{results: map[string]map[string]result{}}
	for _, r := range all {
		if t.results[r.Network] == nil {
			t.results[r.Network] = map[string]result{}
			t.networks = append(t.networks, r.Network)
		}
		t.results[r.Network][r.Peer] = r
		if !slices.ContainsFunc(t.peers, func(p result) bool { return p.Peer == r.Peer }) {
			t.peers = append(t.peers, r)
		}
	}
	return t
}

// each yields the results in the order of the table.
func (t table) each(yield func(result) bool) {
	for _, network := range t.networks {
		for _, p := range t.peers {
			if r, ok := t.results[network][p.Peer]; ok && !yield(r) {
				return
			}
		}
	}
}

// times of a step in milliseconds: of the fastest process, the median, and of the slowest.
func (r result) times() (low, middle, high float64) {
	var medians []float64
	for _, m := range r.Measurements {
		medians = append(medians, stats.Median(m.Milliseconds))
	}
	return slices.Min(medians), stats.Median(medians), slices.Max(medians)
}

// peak is the largest resident memory of the processes, in MB.
func (r result) peak() float64 {
	peak := 0.0
	for _, m := range r.Measurements {
		peak = max(peak, m.PeakMB)
	}
	return peak
}

// write writes a table of what cell says of each result.
func (t table) write(b *strings.Builder, cell func(result) string) {
	b.WriteString("| network |")
	for _, p := range t.peers {
		fmt.Fprintf(b, " %s |", p.Title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(t.peers)) + "\n")
	for _, network := range t.networks {
		fmt.Fprintf(b, "| %s |", network)
		for _, p := range t.peers {
			r, measured := t.results[network][p.Peer]
			switch {
			case !measured:
				b.WriteString(" |")
			case r.Failure != "":
				b.WriteString(" can't |")
			default:
				fmt.Fprintf(b, " %s |", cell(r))
			}
		}
		b.WriteString("\n")
	}
}

// writeRatios writes a table of fx's number over each peer's.
func (t table) writeRatios(b *strings.Builder, number func(result) float64) {
	others := table{networks: t.networks, results: t.results}
	for _, p := range t.peers {
		if p.Peer != "fx" {
			others.peers = append(others.peers, p)
		}
	}
	others.write(b, func(r result) string {
		fx, ok := t.results[r.Network]["fx"]
		if !ok || fx.Failure != "" {
			return ""
		}
		return fmt.Sprintf("%.2f", number(fx)/number(r))
	})
}

// versions says for each peer what it ran.
func (t table) versions() []string {
	var all []string
	for r := range t.each {
		if len(r.Measurements) == 0 {
			continue
		}
		m := r.Measurements[0]
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
			parts = append(parts, name+" "+m.Versions[name])
		}
		line := r.Title + ": " + strings.Join(parts, ", ")
		if m.Note != "" {
			line += "; " + m.Note
		}
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// writeRemarks says why peers can't run a network.
func (t table) writeRemarks(b *strings.Builder) {
	title := "\n## What can't be run\n\n"
	for r := range t.each {
		if r.Failure != "" {
			fmt.Fprintf(b, "%s- %s, %s: %s\n", title, r.Network, r.Title, r.Failure)
			title = ""
		}
	}
}

func (t table) writeProfiles(b *strings.Builder) {
	title := "\n# Where fx's time goes\n"
	for r := range t.each {
		if r.Profile != "" {
			fmt.Fprintf(b, "%s\n%s", title, r.Profile)
			title = ""
		}
	}
}
