package main

import (
	"context"
	"encoding/json"
	"slices"
)

// section is a part of the page with the comparisons that measure its numbers.
type section struct {
	name        string // as in --only and in the page's marks
	apart       bool   // measured only if --only names it; needs no photos
	comparisons func(*environment) []comparison
	columns     []column                    // besides the time and memory of whole commands
	rival       rival                       // the number to compare
	target      func(*outcome) target       // of a comparison; goal is "" if there is none
	order       func(comparison string) int // of the rows; nil: by name
	facts       func(all []outcome) string  // Markdown under the table; may be nil
}

var (
	rate    = printed("images_per_second")
	seconds = printed("seconds")
)

// sections in the order in which they are measured.
var sections = []section{
	{
		name: "embeddings", comparisons: embeddingComparisons,
		columns: []column{{title: "images/s", of: rate}}, rival: rival{rate, true},
		target: embeddingTarget, order: familyOrder, facts: embeddingFacts,
	},
	{
		name: "tutorial", comparisons: tutorialComparisons,
		columns: []column{{title: "best val accuracy", of: bestAccuracy, mean: true}},
		rival:   rival{of: wall}, target: tutorialTarget,
	},
	{
		name: "heads", comparisons: headComparisons, rival: rival{of: seconds}, target: headTarget,
		columns: []column{
			{title: "seconds of the fit", of: seconds},
			{title: "iterations", of: printed("iterations")}, {title: "evaluations", of: printed("evaluations")},
			{title: "loss", of: objective, digits: 7}, {title: "largest derivative", of: printed("gradient_max")},
			{title: "val accuracy", of: printed("val_accuracy")},
		},
	},
	{
		name: "again", comparisons: againComparisons, rival: rival{of: wall},
		target: func(o *outcome) target {
			if o.Contest != secondRuns[0].name {
				return target{}
			}
			return under("second run on "+o.Terms, o.side("fx"), 1)
		},
	},
	{
		name: "decode", comparisons: decodeComparisons, rival: rival{printed("images_per_second", "both"), true},
		target: func(*outcome) target { return target{} },
		columns: []column{
			{title: "decode, images/s", of: printed("images_per_second", "decode")},
			{title: "resize", of: printed("images_per_second", "resize")},
			{title: "both", of: printed("images_per_second", "both")},
			{title: "fast decode", of: printed("images_per_second", "fast_decode")},
			{title: "fast, both", of: printed("images_per_second", "fast_both")},
		},
	},
	{
		name: "startup", comparisons: startupComparisons, rival: rival{of: wall},
		target: func(o *outcome) target {
			if len(o.Sides) > 1 {
				return target{}
			}
			return under(o.Title, o.side("fx"), 0.030)
		},
	},
	{
		name: "scale", comparisons: scaleComparisons, columns: []column{{title: "images/s",
			of: rate}}, rival: rival{rate, true},
		target: func(*outcome) target { return target{} },
	},
	{
		name: "train", apart: true, comparisons: trainComparisons, columns: []column{{title: "ms a step",
			of: stepMilliseconds}},
		rival: rival{of: stepMilliseconds}, target: func(*outcome) target { return target{} },
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

// comparison is a job that several sides do in turns.
type comparison struct {
	section string
	name    string // within the section, valid as a file name
	title   string // as the page has it
	terms   string // conditions of the times besides the common setting
	sides   []side // fx first
	rounds  int

	// prepare creates what the sides need and returns each side's job. It adds
	// facts to the outcome. It is called only if there is something to measure.
	prepare func(ctx context.Context, o *outcome) (map[string]job, error)
	cleanup func() error // after the last turn; may be nil
}

// side is one program that does a comparison's job.
type side struct {
	name  string
	title string // as the page has it
}

// The sides of several sections.
var (
	fxSide    = side{"fx", "fx"}
	torchSide = side{"torch", "PyTorch"}
)

// job is a side's work in one turn.
type job struct {
	before   func() error                  // prepares the turn, untimed; may be nil
	commands func(round int) [][]string    // timed as one, one after another; rounds count from 1
	check    func([]json.RawMessage) error // checks their output; may be nil
	problem  error                         // why the side can't do it
}

// always returns the same commands for each round.
func always(commands ...[]string) func(int) [][]string {
	return func(int) [][]string { return commands }
}
