package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
)

// page is docs/benchmarks.md in the making.
type page struct {
	strings.Builder
	aims []aim // in the order of the page
}

// aim notes an aim for the summary, and returns it for a table.
func (p *page) aim(a aim) string {
	p.aims = append(p.aims, a)
	return a.String()
}

func (p *page) text(format string, args ...any) { fmt.Fprintf(&p.Builder, format, args...) }

// table writes a table between blank lines.
func (p *page) table(head []string, rows [][]string) {
	p.WriteString("\n" + table(head, rows) + "\n")
}

// writePage makes the page of all that was ever measured.
func writePage(o options, log func(string, ...any)) error {
	notes, err := readNotes(o.notes)
	if err != nil {
		return err
	}
	measured := map[string][]outcome{}
	for _, s := range sections {
		all, err := readOutcomes(o.raw(), s.name)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			measured[s.name] = all
		}
	}
	if len(measured) == 0 {
		return fail.New(fail.Usage, "Run it without write first, or name the --out of a run.", "%s holds no measurements", o.raw())
	}
	if err := os.MkdirAll(filepath.Dir(o.page), 0o755); err != nil {
		return err
	}
	if err := durable.WriteBytes(o.page, []byte(pageText(measured, notes))); err != nil {
		return err
	}
	log("wrote %s", o.page)
	return nil
}

// pageText writes the sections that were measured.
func pageText(measured map[string][]outcome, notes map[string]string) string {
	var p page
	first, last := span(measured)
	p.text("# fx beside PyTorch, timm, ONNX Runtime and scikit-learn\n\n")
	p.text("Measured on %s, by one command, which makes this page again:\n\n    go tool -modfile=tools/go.mod task bench\n\n", dates(first, last))
	var common setting
	for _, s := range sections { // the first that was measured speaks for all
		if all := measured[s.name]; len(all) > 0 {
			common = all[0].Setting
			break
		}
	}
	p.setting(common)
	p.WriteString(method)
	body := page{}
	for _, s := range sections {
		all := measured[s.name]
		if len(all) == 0 {
			continue
		}
		body.text("\n## %s\n\n", s.title)
		if reason := all[0].Setting.differs(common); reason != "" {
			body.text("This section was measured apart from the first; %s changed in between.\n\n", reason)
			body.setting(all[0].Setting)
			body.WriteString("\n")
		}
		s.write(&body, all)
		body.commands(all[0])
		body.failures(all)
		body.disturbance(all)
		body.note(notes, s.name)
	}
	p.summary(body.aims)
	p.note(notes, "overview")
	p.WriteString(body.String())
	return p.tidy()
}

// summary lists the aims.
func (p *page) summary(aims []aim) {
	if len(aims) == 0 {
		return
	}
	var rows [][]string
	for _, a := range aims {
		rows = append(rows, []string{a.what, a.goal, a.median, a.verdict()})
	}
	p.table([]string{"", "aim", "measured", ""}, rows)
}

// method says how all numbers came about.
const method = `
Each side is a program of its own and reads the same photos and the same weights. The sides take turns (A B A B …), each
turn in a fresh process. A number is the median over the turns, with the least and the greatest in brackets; a ratio is the
median of the ratios within the rounds, "× 2" meaning that fx does twice as much in the same time. Files that are read lie in
the system's cache for every side. fx waits until what it writes is on the disk; the peers are not asked to.
`

func (p *page) setting(s setting) {
	p.text("- %s", s.Hardware.CPU)
	for _, part := range []string{s.Hardware.Vectors, s.Hardware.Caches} {
		if part != "" {
			p.text("; %s", part)
		}
	}
	if s.Hardware.MemoryBytes > 0 {
		p.text("; %.0f GB of memory", s.Hardware.MemoryBytes/1e9)
	}
	p.text("\n- %d threads, %s photos\n- fx", s.Threads, count(s.Photos))
	if s.Commit != "" {
		p.text(" at %s", s.Commit)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		p.text(", %s %s", name, s.Versions[name])
	}
	p.text("\n")
}

// weights says what weights a section used.
func (p *page) weights(all []outcome) {
	var seeded []string
	for i := range all {
		var trained bool
		if all[i].fact("trained", &trained) && !trained {
			seeded = append(seeded, all[i].Title)
		}
	}
	switch {
	case len(seeded) == 0:
		p.text("The weights are torchvision's pretrained ones.\n")
	case len(seeded) == len(all):
		p.text("The weights are random (`--weights seed:0`), not trained, and the same numbers on all sides; times do not depend on them.\n")
	default:
		p.text("The weights of %s are random (`--weights seed:0`), not trained, and the same numbers on all sides; times do not depend on them. The others are torchvision's pretrained ones.\n", strings.Join(seeded, ", "))
	}
}

// commands shows what the sides of a contest ran in their last turn.
func (p *page) commands(o outcome) {
	p.text("\nThe commands, those of %s:\n\n", o.Title)
	for _, s := range o.Sides {
		for _, argv := range s.Commands {
			argv = slices.Clone(argv)
			if filepath.IsAbs(argv[0]) {
				argv[0] = filepath.Base(argv[0])
			}
			p.text("    %s\n", strings.Join(argv, " "))
		}
	}
}

// failures says why sides could not do their job.
func (p *page) failures(all []outcome) {
	title := "\nWhat can't be done:\n\n"
	for _, o := range all {
		for _, s := range o.Sides {
			if s.Failure != "" {
				p.text("%s- %s, %s: %s\n", title, o.Title, s.Title, s.Failure)
				title = ""
			}
		}
	}
}

// disturbance says how much of the processors' time others took.
func (p *page) disturbance(all []outcome) {
	wall, others := 0.0, 0.0
	for _, o := range all {
		for _, s := range o.Sides {
			for _, t := range s.Runs {
				wall, others = wall+t.WallSeconds, others+t.OthersSeconds
			}
		}
	}
	if others > 0 {
		p.text("\nWhile these were measured other programs had %.1f %% of the time of as many processors.\n", 100*others/(wall*float64(all[0].Setting.Threads)))
	}
}

func (p *page) note(notes map[string]string, name string) {
	if text := notes[name]; text != "" {
		p.text("\n%s\n", text)
	}
}

var blankLines = regexp.MustCompile(`\n{3,}`)

// tidy is the page without doubled blank lines.
func (p *page) tidy() string {
	return strings.TrimSpace(blankLines.ReplaceAllString(p.String(), "\n\n")) + "\n"
}

// span is the time of the first and of the last turn.
func span(measured map[string][]outcome) (first, last time.Time) {
	for _, all := range measured {
		for _, o := range all {
			for _, s := range o.Sides {
				for _, t := range s.Runs {
					if first.IsZero() || t.When.Before(first) {
						first = t.When
					}
					if t.When.After(last) {
						last = t.When
					}
				}
			}
		}
	}
	return first, last
}

func dates(first, last time.Time) string {
	a, b := first.Format(time.DateOnly), last.Format(time.DateOnly)
	if a == b {
		return a
	}
	return a + " to " + b
}

// readNotes reads what people say of the numbers: Markdown, under a heading
// "## NAME" for each section, and "## overview" for the beginning of the page.
// A missing file says nothing.
func readNotes(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	notes := map[string]string{}
	for i, part := range strings.Split("\n"+string(text), "\n## ") {
		if i == 0 {
			continue // above the first heading stands what the file is
		}
		name, body, _ := strings.Cut(part, "\n")
		name = strings.TrimSpace(name)
		if name != "overview" && !slices.Contains(sectionNames(), name) {
			return nil, fail.New(fail.Usage, "The headings are overview, "+strings.Join(sectionNames(), ", ")+".", "%s has a heading %q, which is no section", path, name)
		}
		notes[name] = strings.TrimSpace(body)
	}
	return notes, nil
}
