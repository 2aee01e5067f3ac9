package main

import (
	"context"
	"encoding/json"
	"slices"
)

// section is a part of the page and the contests that its numbers come from.
type section struct {
	name     string // as in --only, and in the page's marks
	apart    bool   // is measured only where --only names it, and needs no photos
	contests func(*workshop) []contest
	columns  []column                   // beside the time and memory of whole commands
	rival    rival                      // what fx is compared by
	aim      func(*outcome) aim         // of a contest, without goal where there is none
	order    func(contest string) int   // of the rows; nil: by name
	facts    func(all []outcome) string // Markdown under the table; may be nil
}

var (
	rate    = printed("images_per_second")
	seconds = printed("seconds")
)

// sections in the order in which they are measured.
var sections = []section{
	{
		name: "embeddings", contests: embeddingContests,
		columns: []column{{title: "images/s", of: rate}}, rival: rival{rate, true},
		aim: embeddingAim, order: familyOrder, facts: embeddingFacts,
	},
	{
		name: "tutorial", contests: tutorialContests,
		columns: []column{{title: "best val accuracy", of: bestAccuracy, mean: true}},
		rival:   rival{of: wall}, aim: tutorialAim,
	},
	{
		name: "heads", contests: headContests, rival: rival{of: seconds}, aim: headAim,
		columns: []column{
			{title: "seconds of the fit", of: seconds},
			{title: "iterations", of: printed("iterations")}, {title: "evaluations", of: printed("evaluations")},
			{title: "loss", of: objective, digits: 7}, {title: "largest derivative", of: printed("gradient_max")},
			{title: "val accuracy", of: printed("val_accuracy")},
		},
	},
	{
		name: "again", contests: againContests, rival: rival{of: wall},
		aim: func(o *outcome) aim {
			if o.Contest != secondRuns[0].name {
				return aim{}
			}
			return under("second run on "+o.Terms, o.side("fx"), 1)
		},
	},
	{
		name: "decode", contests: decodeContests, rival: rival{printed("images_per_second", "both"), true},
		aim: func(*outcome) aim { return aim{} },
		columns: []column{
			{title: "decode, images/s", of: printed("images_per_second", "decode")},
			{title: "resize", of: printed("images_per_second", "resize")},
			{title: "both", of: printed("images_per_second", "both")},
			{title: "fast decode", of: printed("images_per_second", "fast_decode")},
			{title: "fast, both", of: printed("images_per_second", "fast_both")},
		},
	},
	{
		name: "startup", contests: startupContests, rival: rival{of: wall},
		aim: func(o *outcome) aim {
			if len(o.Sides) > 1 {
				return aim{}
			}
			return under(o.Title, o.side("fx"), 0.030)
		},
	},
	{
		name: "scale", contests: scaleContests, columns: []column{{title: "images/s", of: rate}}, rival: rival{rate, true},
		aim: func(*outcome) aim { return aim{} },
	},
	{
		name: "train", apart: true, contests: trainContests, columns: []column{{title: "ms a step", of: stepMilliseconds}},
		rival: rival{of: stepMilliseconds}, aim: func(*outcome) aim { return aim{} },
		order: func(network string) int { return slices.Index(trainNetworks, network) }, facts: trainFacts,
	},
}

func sectionNames() []string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

// contest is one job that several sides do in turns.
type contest struct {
	section string
	name    string // within the section, fit for a file's name
	title   string // as the page has it
	terms   string // what the times depend on besides the setting of all
	sides   []side // fx first
	rounds  int

	// prepare makes what the sides need and returns what each has to do. What
	// it finds out goes into the outcome's facts. It is called only when
	// something is left to measure.
	prepare func(ctx context.Context, o *outcome) (map[string]job, error)
	cleanup func() error // after the last turn; may be nil
}

// side is one way of doing a contest's job.
type side struct {
	name  string
	title string // as the page has it
}

// The sides that occur in several sections.
var (
	fxSide    = side{"fx", "fx"}
	torchSide = side{"torch", "PyTorch"}
)

// job is what a side does in its turn.
type job struct {
	before   func() error                  // makes a clean start, untimed; may be nil
	commands func(round int) [][]string    // timed as one, one after another; rounds count from 1
	check    func([]json.RawMessage) error // of what they printed: whether the job was done; may be nil
	problem  error                         // why the side can't do it
}

// always is for a job that is the same in each round.
func always(commands ...[]string) func(int) [][]string {
	return func(int) [][]string { return commands }
}
