package main

import (
	"context"
	"encoding/json"
)

// section is a part of the page and the contests that its numbers come from.
type section struct {
	name     string // as in --only
	title    string
	contests func(*workshop) []contest
	write    func(*page, []outcome) // Markdown under the title
}

// sections in the order of the page.
var sections []section

// The sections' writers use the table of all, hence not at its declaration.
func init() {
	sections = []section{
		{"embeddings", "Photos to embeddings", embeddingContests, writeEmbeddings},
		{"tutorial", "The tutorial's result", tutorialContests, writeTutorial},
		{"heads", "Fitting a head", headContests, writeHeads},
		{"again", "The second run", againContests, writeAgain},
		{"decode", "Decoding and resizing alone", decodeContests, writeDecode},
		{"startup", "Start-up", startupContests, writeStartup},
		{"scale", "Cost with scale", scaleContests, writeScale},
	}
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
}

// always is for a job that is the same in each round.
func always(commands ...[]string) func(int) [][]string {
	return func(int) [][]string { return commands }
}
