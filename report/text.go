package report

import (
	"fmt"
	"slices"
	"strings"

	"fx/internal/modeldir"
	"fx/report/page"
)

// summary tells people who know nothing of the runs what came out.
func summary(p page.Page, runs []*run) string {
	best := runs[p.Best]
	m := best.model.Metrics
	var s []string
	task := classesInWords(best.model.Classes)
	if len(runs) == 1 {
		s = append(s, learned(best)+" to tell "+task+", with "+trainPhotos(runs)+".")
	} else {
		s = append(s, fmt.Sprintf("%d trainings of %s to tell %s, with %s each.", len(runs),
			plural(len(networksOf(runs)), "network"), task, trainPhotos(runs)))
	}
	which := "It"
	if len(runs) > 1 {
		which = "The best, " + how(best) + ","
	}
	when := ""
	switch {
	case m.Folds > 0:
		when = ", by " + m.ValSplit
	case len(m.Epochs) > 1:
		when = fmt.Sprintf(", after %s of %d", stepNumber(best, m.BestEpoch), len(m.Epochs))
	}
	s = append(s, fmt.Sprintf("%s is right on %d of %d photos that it had not trained on (%s)%s.", which, right(best),
		m.ValPhotos, page.Percent(m.BestValAccuracy), when))
	if note := pretrainedAgainstScratch(p); note != "" {
		s = append(s, note)
	}
	if seeded := seededNetworks(runs); len(seeded) > 0 {
		s = append(s, fmt.Sprintf("The pretrained weights of %s were not at hand: random ones stand in, so the "+
			"figures marked “not trained” say nothing of %s.",
			page.Enumerate(seeded, 6),
			map[bool]string{true: "this network", false: "these networks"}[len(seeded) == 1]))
	}
	return strings.Join(s, " ")
}

// how names a run's network and mode: "squeezenet1_1 by feature extraction".
func how(r *run) string {
	switch r.shown.Mode.Key {
	case modeldir.Scratch:
		return r.shown.Network + " from scratch"
	case modeldir.Finetune:
		return r.shown.Network + " finetuned"
	}
	return r.shown.Network + " by " + r.shown.Mode.Name
}

// learned begins the sentence of a run alone.
func learned(r *run) string {
	switch r.shown.Mode.Key {
	case modeldir.Scratch:
		return r.shown.Network + " was trained from scratch"
	case modeldir.Finetune:
		return r.shown.Network + " was finetuned"
	}
	return "A classifier on the features of " + r.shown.Network + " learned"
}

func stepNumber(r *run, n int) string {
	step := r.shown.Step
	if step == "" {
		step = "epoch"
	}
	return fmt.Sprintf("%s %d", step, n)
}

// classesInWords names few classes and counts many.
func classesInWords(classes []string) string {
	if len(classes) > 4 {
		return fmt.Sprintf("%d classes apart", len(classes))
	}
	last := len(classes) - 1
	return strings.Join(classes[:last], ", ") + " from " + classes[last]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func networksOf(runs []*run) []string {
	var names []string
	for _, r := range runs {
		if !slices.Contains(names, r.shown.Network) {
			names = append(names, r.shown.Network)
		}
	}
	return names
}

func seededNetworks(runs []*run) []string {
	var names []string
	for _, r := range runs {
		if r.shown.Seeded && !slices.Contains(names, r.shown.Network) {
			names = append(names, r.shown.Network)
		}
	}
	return names
}

// trainPhotos counts the photos trained on, which may differ between runs.
func trainPhotos(runs []*run) string {
	low, high := runs[0].model.Metrics.TrainPhotos, runs[0].model.Metrics.TrainPhotos
	for _, r := range runs {
		low, high = min(low, r.model.Metrics.TrainPhotos), max(high, r.model.Metrics.TrainPhotos)
	}
	if low < high {
		return fmt.Sprintf("%d to %d photos", low, high)
	}
	return fmt.Sprintf("%d photos", low)
}

// pretrainedAgainstScratch compares a network that was trained both ways: the
// best such one.
func pretrainedAgainstScratch(p page.Page) string {
	type pair struct{ pretrained, scratch *page.Group }
	pairs := map[string]*pair{}
	var best *pair
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Seeded {
			continue
		}
		if pairs[g.Network] == nil {
			pairs[g.Network] = &pair{}
		}
		of := pairs[g.Network]
		if g.Mode.Key == modeldir.Scratch {
			if of.scratch == nil || g.Accuracy.Mean > of.scratch.Accuracy.Mean {
				of.scratch = g
			}
		} else if of.pretrained == nil || g.Accuracy.Mean > of.pretrained.Accuracy.Mean {
			of.pretrained = g
		}
		if of.pretrained != nil && of.scratch != nil &&
			(best == nil || of.pretrained.Accuracy.Mean > best.pretrained.Accuracy.Mean) {
			best = of
		}
	}
	if best == nil {
		return ""
	}
	return fmt.Sprintf("Started from pretrained weights, %s reaches %s; from random ones, %s.",
		best.pretrained.Network, page.Percent(best.pretrained.Accuracy.Mean), page.Percent(best.scratch.Accuracy.Mean))
}

// figures returns the numbers at the top of the page.
func figures(p page.Page, runs []*run) []page.Figure {
	best := runs[p.Best]
	m := best.model.Metrics
	accuracy, photos := "best val accuracy", "val photos right"
	if m.Folds > 0 {
		accuracy, photos = "accuracy, cross-validated", "photos right"
	}
	all := []page.Figure{
		{Value: page.Percent(m.BestValAccuracy), Name: accuracy},
		{Value: fmt.Sprintf("%d of %d", right(best), m.ValPhotos), Name: photos},
	}
	if len(runs) > 1 {
		return append(all, page.Figure{Value: fmt.Sprint(len(runs)), Name: "trainings"},
			page.Figure{Value: fmt.Sprint(len(networksOf(runs))),
				Name: map[bool]string{true: "network", false: "networks"}[len(networksOf(runs)) == 1]})
	}
	return append(all, page.Figure{Value: page.Duration(best.shown.Seconds), Name: "of training"},
		page.Figure{Value: page.Count(m.ParametersTrained), Name: "parameters trained"})
}

// right is how many of the photos the accuracy stands for.
func right(r *run) int {
	return int(r.model.Metrics.BestValAccuracy*float64(r.model.Metrics.ValPhotos) + 0.5)
}

// footnotes returns the footnotes of the table.
func footnotes(p page.Page, runs []*run) []string {
	notes := []string{"Best val accuracy is that of the best epoch, which is kept."}
	if !p.HasCurves() {
		notes = nil
	}
	several := false
	for _, g := range p.Groups {
		several = several || g.Accuracy.N > 1
	}
	if several {
		notes = append(notes,
			"± is the standard deviation over the runs of a line, which differ by their seed alone; bands in the "+
				"diagrams reach from the lowest to the highest run.")
	}
	for _, r := range runs {
		if r.shown.Mode.Key == modeldir.FeatureExtraction && r.model.Features != "" {
			if r.member != nil && r.member.Seconds > 0 {
				notes = append(notes,
					"Time reaches from photos to model. Images per second are those of training; of feature "+
						"extraction those of the one way of all photos and views through the network.")
			} else {
				notes = append(notes,
					"Time and images per second are those of training; a head on stored features leaves out the "+
						"photos' way through the network.")
			}
			break
		}
	}
	return notes
}
