package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"fx/bench/internal/stats"
)

// The aims of the sections that have one number.
const (
	tutorialAim = 40 // times as fast as PyTorch
	// lessAccurate is how far fx's mean val accuracy may lie under PyTorch's,
	// as in scripts/parity/finetuning.py: seeds alone move it so much.
	lessAccurate = 0.01
	againAim     = 1  // seconds
	startAim     = 30 // milliseconds
)

// writeTutorial writes the times of whole commands and the accuracies they came to.
func writeTutorial(p *page, all []outcome) {
	best := printed("best_val_accuracy")
	for i := range all {
		o := &all[i]
		p.text("PyTorch's \"Finetuning Torchvision Models\" in feature extraction mode, squeezenet1_1, %s, batch 8, SGD, beside `fx extract` and\n", o.Terms)
		p.text("`fx fit-head`; each turn has another seed. fx caches each photo once (its centre; with `--views %d` also %d random views of each\n", views, views)
		p.text("training photo), where the tutorial's loop runs the network on new random views in every epoch. Seconds of whole commands.\n")
		p.weights(all[i : i+1])
		peer := inRounds(o.side(torchSide.name).values(best))
		var rows, accurate [][]string
		for _, s := range o.Sides {
			bySeed, times := s.values(best), timesOver(o, s.Name, torchSide.name)
			accuracies := inRounds(bySeed)
			ratio, goal, above := "", "", ""
			if s.Name != torchSide.name && len(times) > 0 {
				ratio, above = "× "+spread(times), aboveCell(accuracies, peer)
			}
			if s.Name == fxSide.name {
				reached := atLeast("the tutorial, "+s.Title+", beside PyTorch", times, tutorialAim)
				if above != "" {
					reached.median += ", val accuracy " + above
				}
				reached.met = reached.met && !(stat.Mean(accuracies, nil) < stat.Mean(peer, nil)-lessAccurate)
				goal = p.aim(reached)
			}
			rows = append(rows, []string{s.Title, cell(&s, wall), cell(&s, cpu), cell(&s, peak), ratio, goal})
			accurate = append(accurate, []string{s.Title, meanCell(accuracies), above, byRound(bySeed)})
		}
		p.table([]string{"side", "seconds", "processor seconds", "peak MB", "as fast as PyTorch", "aim"}, rows)
		p.text("The best val accuracy of the epochs, and how far its mean lies above PyTorch's; ± are standard errors.\n")
		p.text("More than %g below, the aim counts as missed.\n", lessAccurate)
		p.table([]string{"side", "mean", "above PyTorch", "by seed"}, accurate)
	}
}

// timesOver is how many times as fast as a peer a side was, by its commands' time.
func timesOver(o *outcome, name, peer string) []float64 {
	return stats.Ratios(o.side(peer).values(wall), o.side(name).values(wall))
}

// byRound writes values by their rounds.
func byRound(values map[int]float64) string {
	var cells []string
	for _, round := range slices.Sorted(maps.Keys(values)) {
		cells = append(cells, fmt.Sprintf("%.4f", values[round]))
	}
	return strings.Join(cells, " ")
}

// meanCell writes a mean with its standard error.
func meanCell(values []float64) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%.4f", values[0])
	}
	return fmt.Sprintf("%.4f ± %.4f", stat.Mean(values, nil), standardError(values))
}

// aboveCell writes how far the mean of values lies above a peer's, with the standard error.
func aboveCell(values, peer []float64) string {
	above := stat.Mean(values, nil) - stat.Mean(peer, nil)
	switch min(len(values), len(peer)) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%+.4f", above)
	}
	return fmt.Sprintf("%+.4f ± %.4f", above, math.Hypot(standardError(values), standardError(peer)))
}

// standardError of the mean of two values or more.
func standardError(values []float64) float64 {
	return stat.StdErr(stat.StdDev(values, nil), float64(len(values)))
}

// writeAgain writes the times of extractions that have nothing to compute.
func writeAgain(p *page, all []outcome) {
	p.text("`fx extract` once more on %s, all cached (squeezenet1_1; copies and hard links of the photos under new names). Seconds of\n", all[0].Terms)
	p.text("the whole command; the aim for an unchanged folder is under %d s.\n", againAim)
	var rows [][]string
	for i := range all {
		s := all[i].side("fx")
		goal := ""
		if i == 0 {
			goal = p.aim(under("second run on "+all[i].Terms, s, againAim, "s", 1))
		}
		rows = append(rows, []string{all[i].Title, cell(s, wall), goal, cell(s, cpu), cell(s, peak)})
	}
	p.table([]string{"since the first run", "seconds", "aim", "processor seconds", "peak MB"}, rows)
}

// writeDecode writes the rates of one core.
func writeDecode(p *page, all []outcome) {
	p.text("Images a second on one core, from JPEG bytes in memory to 224×224 pixels. Resizing is bilinear with antialiasing; fx's pixels are Pillow's\n")
	p.text("to the last bit, torchvision's on tensors are not. fast: JPEG's scaled decoding, by DCT at 1/2, 1/4 or 1/8 (fx's `--fast-decode`,\n")
	p.text("Pillow's `draft`), which changes the pixels and is never the default.\n")
	jobs := []struct{ key, title string }{{"decode", "decode"}, {"resize", "resize"}, {"both", "both"}, {"fast_decode", "fast decode"}, {"fast_both", "fast, both"}}
	for i := range all {
		o := &all[i]
		head, rows := []string{""}, make([][]string, len(jobs))
		for j, job := range jobs {
			rows[j] = []string{job.title}
		}
		for _, s := range o.Sides {
			head = append(head, s.Title)
			for j, job := range jobs {
				rows[j] = append(rows[j], orDash(cell(&s, printed("images_per_second", job.key))))
			}
		}
		for _, s := range o.Sides[1:] {
			head = append(head, "fx / "+s.Title)
			for j, job := range jobs {
				rows[j] = append(rows[j], orDash(timesCell(o, s.Name, printed("images_per_second", job.key), higher)))
			}
		}
		p.table(head, rows)
	}
	p.text("Pillow-SIMD, which is not measured here, resizes 4 to 6 times as fast as Pillow, as its [project page](https://github.com/uploadcare/pillow-simd#benchmarks)\n")
	p.text("says; it decodes with the same library as Pillow.\n")
}

func orDash(text string) string {
	if text == "" {
		return takesNoPart
	}
	return text
}

// writeStartup writes the times of commands that do little.
func writeStartup(p *page, all []outcome) {
	p.text("Milliseconds of whole processes, from start to end. The aim for a command that computes nothing is %d ms. `fx predict` on one photo\n", startAim)
	p.text("stands beside a Python script that loads the same network and head into PyTorch; both name the same class with the same probability.\n")
	milliseconds := func(t turn) (float64, bool) { return 1e3 * t.WallSeconds, true }
	var rows [][]string
	for i := range all {
		o := &all[i]
		goal := ""
		if len(o.Sides) == 1 {
			goal = p.aim(under(o.Title, o.side("fx"), startAim, "ms", 1e3))
		}
		rows = append(rows, []string{o.Title, fmt.Sprint(len(o.side("fx").Runs)), cell(o.side("fx"), milliseconds), goal, cell(o.side("torch"), milliseconds), timesCell(o, "torch", wall, lower)})
	}
	p.table([]string{"command", "runs", "fx, ms", "aim", "PyTorch, ms", "fx"}, rows)
}

// writeScale writes time and memory by the number of photos.
func writeScale(p *page, all []outcome) {
	p.text("`fx extract`, squeezenet1_1, by the number of photos (copies and hard links under new names, all computed anew), one turn each. Linear\n")
	p.text("time is a rate that stays, flat memory a peak that stays. Embeddings are float32, above %s photos float16.\n", count(float32AtMost))
	p.weights(all)
	steady := printed("images_per_second")
	var rows [][]string
	for i := range all {
		o := &all[i]
		fx, torch := o.side("fx"), o.side("torch")
		rows = append(rows, []string{o.Title, cell(fx, wall), cell(fx, steady), cell(fx, peak), cell(torch, wall), cell(torch, steady), cell(torch, peak)})
	}
	p.table([]string{"photos", "fx, s", "fx, images/s", "fx, MB", "PyTorch, s", "PyTorch, images/s", "PyTorch, MB"}, rows)
}
