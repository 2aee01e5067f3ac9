package classify

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"fx/internal/printable"
	"fx/internal/training"
)

// Limits of the text; summary.json has everything.
const (
	maxConfusedLines = 8
	maxBadLines      = 20
	maxClassNames    = 8
)

// Text writes the summary in plain words, for readers without knowledge of machine learning.
func (s QuickstartSummary) Text(w io.Writer) {
	p := &page{w: w}
	s.tellResult(p)
	s.tellConfusions(p)
	s.tellConfidence(p)
	s.tellLabels(p)
	s.tellUnused(p)
	s.tellFiles(p)
}

// page writes headings and indented lines, and ignores errors of its writer.
type page struct{ w io.Writer }

func (p *page) heading(text string) { fmt.Fprintf(p.w, "\n%s\n", text) }
func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p.w, "  "+format+"\n", args...)
}

func (s QuickstartSummary) tellResult(p *page) {
	j := s.Evaluation
	fmt.Fprintf(p.w, "A classifier for %s: right for %s of the photos that it had not seen.\n", s.ClassNames(),
		percent(j.Right, j.Photos))
	if untrained, _ := s.notes(); len(untrained) > 0 {
		fmt.Fprintf(p.w, "But its network has learned nothing: %s. All figures are of such a network.\n",
			strings.Join(untrained, "; "))
	}
	p.heading("How good it is")
	if j.Folds > 0 {
		p.line("No photos are kept apart to try it on (in a folder val/), so it was tried on the %s that it",
			plural(j.Photos, "photo"))
		p.line("learns from, in %d rounds: each round trained on the photos of all other rounds and was", j.Folds)
		p.line("tried on its own. Right for %d, wrong for %d. The classifier here trained on all of them.", j.Right,
			j.Photos-j.Right)
	} else {
		p.line("It trained on the %s in %s/ and was tried on the %d in %s/: right for %d, wrong for %d.",
			plural(s.trainPhotos(), "photo"), s.TrainSplit, j.Photos, j.Split, j.Right, j.Photos-j.Right)
	}
	if copies := j.copies(); copies > 0 {
		p.line("%d of these %d photos %s: %d differ, and it was right for %d of them.",
			copies, j.Photos, oneOrMore(copies, "is a copy", "are copies"), j.Distinct, j.DistinctRight)
	}
	p.line("For new photos of the same kind, expect it to be right for %.0f %% to %.0f %% of them: trying it on %d",
		100*j.Low, 100*j.High, j.Photos-j.copies())
	p.line("photos tells no more than that (and 1 time in 20 the truth lies outside).")
	p.line("For comparison: always answering \"%s\" would be right for %.0f %%.", printable.Name(j.Commonest),
		100*j.Baseline)
	switch {
	case j.Low <= j.Baseline:
		p.line("So it may be no better than that: add photos, or try another network with --backbone.")
	case j.High-j.Low > 0.2:
		p.line("That is a wide range: so few photos say little. Add more, to train on and to try it on.")
	}
	if few := s.fewest(); few.Train < 20 {
		p.line("The class %s has only %s to train on; twenty or more usually make a classifier better.",
			printable.Name(few.Name), plural(few.Train, "photo"))
	}
}

// notes separates the note about an untrained network, which is shown with every result, from the others.
func (s QuickstartSummary) notes() (untrained, rest []string) {
	if s.Untrained != "" {
		untrained = []string{s.Untrained}
	}
	return untrained, slices.DeleteFunc(slices.Clone(s.Notes), func(note string) bool { return note == s.Untrained })
}

func (s QuickstartSummary) tellConfusions(p *page) {
	p.heading("What it confuses")
	if len(s.Evaluation.Confused) == 0 {
		p.line("Nothing among these photos.")
	}
	for i, c := range s.Evaluation.Confused {
		if i == maxConfusedLines {
			p.line("… and %d rarer pairs; see %s", len(s.Evaluation.Confused)-i, s.Files.Picture)
			break
		}
		p.line("%s taken for %s: %d of %d", printable.Name(c.Class), printable.Name(c.Predicted), c.Photos, c.Of)
	}
}

func (s QuickstartSummary) tellConfidence(p *page) {
	j := s.Evaluation
	p.heading("How sure it is")
	p.line("With each answer it says how sure it is.")
	for _, c := range j.Confidence {
		says := fmt.Sprintf("less than %.0f %%", 100*c.To)
		switch {
		case c.To == 1:
			says = fmt.Sprintf("%.0f %% or more", 100*c.From)
		case c.From > 0:
			says = fmt.Sprintf("%.0f to %.0f %%", 100*c.From, 100*c.To)
		}
		if c.Photos == 0 {
			p.line("%-15s it said so of no photo", says+":")
			continue
		}
		p.line("%-15s right in %d of %d", says+":", c.Right, c.Photos)
	}
	switch {
	case j.Stated > j.High:
		p.line("It is surer of itself than it should be: it claims %.0f %% on average.", 100*j.Stated)
	case j.Stated < j.Low:
		p.line("It is better than it says: it claims %.0f %% on average.", 100*j.Stated)
	default:
		p.line("On average it claims %.0f %%, which fits how often it is right.", 100*j.Stated)
	}
}

func (s QuickstartSummary) tellLabels(p *page) {
	p.heading("Photos that may lie in the wrong folder")
	if len(s.Mislabelled)+len(s.Twins) == 0 {
		p.line("None found.")
		return
	}
	if n := s.MislabelledInAll; n > 0 {
		if n > len(s.Mislabelled) {
			p.line("The %d most likely of %d:", len(s.Mislabelled), n)
		}
		for _, m := range s.Mislabelled {
			p.line("%s  looks like %s (%.0f %%)", printable.Name(m.Path), printable.Name(m.Suggested),
				100*m.Probability)
		}
	}
	for _, t := range s.Twins[:min(len(s.Twins), maxBadLines)] {
		p.line("%s and %s are the same photo", printable.Name(t.Paths[0]), printable.Name(t.Paths[1]))
	}
	p.line("Look at them: some are only hard to tell. Move or remove what is wrong and run the same command again.")
}

// tellUnused lists the files that were left out.
func (s QuickstartSummary) tellUnused(p *page) {
	rejected, skipped := s.Extract.Rejected, s.Extract.Skipped
	if len(rejected)+len(skipped)+s.Leaked == 0 {
		return
	}
	p.heading("Left out")
	for i, bad := range append(append(rejected[:0:0], rejected...), skipped...) {
		if i == maxBadLines {
			p.line("… and %d more; see %s", len(rejected)+len(skipped)-i, s.Files.JSON)
			break
		}
		p.line("%s: %s", printable.Name(bad.Path), printable.Name(bad.Reason))
	}
	if s.Leaked > 0 {
		p.line("%s to try it on: the same photo is among those that it trained on", plural(s.Leaked, "photo"))
	}
}

func (s QuickstartSummary) tellFiles(p *page) {
	p.heading("What is where")
	for _, f := range [][2]string{
		{s.Files.Model, "the classifier, for fx"},
		{s.Files.Classifier,
			fmt.Sprintf("the same for other programs, which set photos upright first (EXIF): one file, %.0f MB",
				float64(s.ClassifierBytes)/1e6)},
		{s.Files.Report, "its photos, its mistakes and a map of them all, for a browser"},
		{s.Files.Picture, "a picture of what is taken for what"},
		{s.Files.Text, "this text"},
		{s.Files.JSON, "the same and more, for programs"},
		{s.Files.Features, "what the network saw in each photo: kept, so that the next run is quick"},
	} {
		p.line("%s  %s", f[0], f[1])
	}
	p.heading("What to do next")
	p.line("Ask it about other photos, or folders of them:")
	p.line("    fx predict --model %s PHOTO...", quoteShell(s.Files.Model))
	p.line("Add photos and run the same command again: only the new ones are new work.")
	p.heading("How it was made")
	p.line("network %s, weights %s (%s)", s.Backbone, s.Weights, s.WeightsOrigin)
	if s.Solver == training.SGD {
		p.line("a convolutional head, by SGD with the settings of fx fit-head, to the last epoch")
	} else {
		p.line("a linear head, by L-BFGS with the L2 penalty %.3g, chosen by cross-validation in %d folds", s.L2,
			s.CrossValidation.Folds)
	}
	_, rest := s.notes()
	for _, note := range slices.Concat(rest, s.PhotoNotes) {
		p.line("note: %s", note)
	}
}

// ClassNames returns the names of the classes as a text.
func (s QuickstartSummary) ClassNames() string {
	var names []string
	for _, c := range s.Classes {
		names = append(names, printable.Name(c.Name))
	}
	if len(names) > maxClassNames {
		return fmt.Sprintf("%d classes", len(names))
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func (s QuickstartSummary) trainPhotos() int {
	n := 0
	for _, c := range s.Classes {
		n += c.Train
	}
	return n
}

func (s QuickstartSummary) fewest() QuickstartClass {
	few := s.Classes[0]
	for _, c := range s.Classes {
		if c.Train < few.Train {
			few = c
		}
	}
	return few
}

// percent returns a percentage. It is 100 % only for all, and 0 % only for none.
func percent(part, whole int) string {
	share := 100 * float64(part) / float64(whole)
	rounded := math.Round(share)
	if (rounded == 100) != (part == whole) || (rounded == 0) != (part == 0) {
		return fmt.Sprintf("%.1f %%", min(max(share, 0.1), 99.9))
	}
	return fmt.Sprintf("%.0f %%", rounded)
}

func plural(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// quoteShell quotes a path as one word for a shell.
func quoteShell(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("/._-+,:@%=", r) || r > 127)
	}) < 0
	if plain && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
