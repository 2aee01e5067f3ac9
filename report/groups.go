package report

import (
	"slices"
	"strings"

	"fx/internal/experimentdir"
	"fx/internal/metrics"
	"fx/report/page"
)

// groupsOf gathers the runs that differ by their seed alone, by network in the
// order of the runs, then by mode in the order of the tutorial.
func groupsOf(runs []*run, experiments []experimentdir.Experiment) []page.Group {
	var keys, networks []string
	members := map[string][]int{}
	for i, r := range runs {
		key := r.group()
		if members[key] == nil {
			keys = append(keys, key)
		}
		members[key] = append(members[key], i)
		if !slices.Contains(networks, r.shown.Network) {
			networks = append(networks, r.shown.Network)
		}
	}
	groups := make([]page.Group, 0, len(keys))
	for _, key := range keys {
		groups = append(groups, newGroup(runs, members[key]))
	}
	slices.SortStableFunc(groups, func(a, b page.Group) int {
		if by := slices.Index(networks, a.Network) - slices.Index(networks, b.Network); by != 0 {
			return by
		}
		return a.Mode.Colour - b.Mode.Colour
	})
	tellApart(groups, runs)
	for i := range groups {
		groups[i].References = referencesOf(groups[i], experiments)
	}
	return groups
}

func newGroup(runs []*run, members []int) page.Group {
	first := runs[members[0]]
	g := page.Group{
		Network: first.shown.Network, Mode: first.shown.Mode, Step: first.shown.Step,
		Weights: first.shown.Weights, Seeded: first.shown.Seeded,
		Runs: members, Parameters: first.model.Metrics.ParametersTrained,
		Extracted: first.model.Features != "" && first.member != nil,
	}
	n := float64(len(members))
	var best []float64
	for _, i := range members {
		best = append(best, runs[i].shown.BestValAccuracy)
		g.Seconds += runs[i].shown.Seconds / n
		g.ImagesPerSecond += runs[i].imagesPerSecond() / n
	}
	g.Accuracy = metrics.Over(best)
	g.Curve = curve(runs, members)
	return g
}

func (r *run) imagesPerSecond() float64 {
	if r.member != nil && r.member.Result != nil && r.member.Result.ImagesPerSecond > 0 {
		return r.member.Result.ImagesPerSecond
	}
	if r.model.Features != "" {
		return 0 // rows of features are no images
	}
	return r.model.Metrics.ImagesPerSecond
}

// curve is the mean over the epochs that every run has.
func curve(runs []*run, members []int) []page.Band {
	byEpoch := map[int][]metrics.Epoch{}
	for _, i := range members {
		for _, e := range runs[i].epochs() {
			byEpoch[e.Epoch] = append(byEpoch[e.Epoch], e)
		}
	}
	var bands []page.Band
	for number, epochs := range byEpoch {
		if len(epochs) < len(members) {
			continue
		}
		b := page.Band{Epoch: number}
		var accuracies []float64
		for _, e := range epochs {
			accuracies = append(accuracies, e.ValAccuracy)
			b.TrainLoss += e.TrainLoss / float64(len(epochs))
			b.ValLoss += e.ValLoss / float64(len(epochs))
		}
		b.Accuracy = metrics.Over(accuracies)
		bands = append(bands, b)
	}
	slices.SortFunc(bands, func(a, b page.Band) int { return a.Epoch - b.Epoch })
	return bands
}

// tellApart gives groups of the same network, mode and weights the settings
// that part them.
func tellApart(groups []page.Group, runs []*run) {
	same := map[[3]string][]int{}
	for i, g := range groups {
		key := [3]string{g.Network, g.Mode.Key, g.Weights}
		same[key] = append(same[key], i)
	}
	for _, twins := range same {
		if len(twins) < 2 {
			continue
		}
		var firsts []*run
		for _, i := range twins {
			firsts = append(firsts, runs[groups[i].Runs[0]])
		}
		_, differ := compare(firsts)
		for k, i := range twins {
			var parts []string
			for _, d := range differ {
				if value := firsts[k].settings[d.Name]; d.Name != seedSetting && d.Name != "threads" && value != "" {
					if strings.Contains(d.Name, "(") { // a hash
						value = value[:min(len(value), 8)]
					}
					parts = append(parts, d.Name+" "+value)
				}
			}
			groups[i].Detail = page.Enumerate(parts, 3)
		}
	}
}

// referencesOf returns the reference results of a group.
func referencesOf(g page.Group, experiments []experimentdir.Experiment) []page.Reference {
	var all []page.Reference
	for _, e := range experiments {
		for _, r := range e.References {
			if r.Beside != g.Network || r.Mode != g.Mode.Key {
				continue
			}
			of := page.Reference{
				Name: r.Name, Source: r.Source,
				BestValAccuracy: r.BestValAccuracy, SD: r.SD, Runs: r.Runs, Seconds: r.Seconds,
			}
			if r.Backbone != g.Network {
				of.Network = r.Backbone
			}
			if !slices.Contains(all, of) {
				all = append(all, of)
			}
		}
	}
	return all
}

// bestRun is the run to show first: of the best accuracy, if any of trained
// weights or from scratch.
func bestRun(runs []*run) int {
	best := 0
	better := func(a, b *run) bool {
		if a.shown.Seeded != b.shown.Seeded {
			return !a.shown.Seeded
		}
		return a.shown.BestValAccuracy > b.shown.BestValAccuracy
	}
	for i, r := range runs {
		if better(r, runs[best]) {
			best = i
		}
	}
	return best
}
