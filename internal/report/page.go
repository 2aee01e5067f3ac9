package report

import "fx/internal/modeldir"

// Page is what the HTML report and the pictures beside it show: trainings, side
// by side and one by one. Everything in it is ready to be shown; nothing is
// computed from it but means over the runs of a group.
type Page struct {
	Title   string
	Summary string // a paragraph for people who know nothing of the runs
	Figures []Figure
	Groups  []Group // networks × modes, in the order of the table
	Runs    []Run
	Best    int // index of the run that is shown first
	Photos  []Photo
	// Footnotes explain the figures of the table, Notes what is missing or
	// must be known of the results.
	Footnotes, Notes []string
	Shared           []Setting    // the same in all runs
	Differ           []Difference // not the same
	Versions         []Setting    // of the programs that made the runs
}

// Figure is a number to be seen at a glance.
type Figure struct{ Value, Name string }

// Group are the runs of one network, trained in one way, that differ by their seed alone.
type Group struct {
	Network string
	Mode    string // as of modeldir.Model
	Weights string // that the training started from
	Seeded  bool   // the weights of a pretrained mode are random: no figure says anything of the network
	Detail  string // what tells the group from others of the network and mode, such as "lr 0.01"; mostly ""
	Runs    []int  // indexes into Page.Runs

	Accuracy        Spread  // of the runs' best val accuracies
	Seconds         float64 // mean
	ImagesPerSecond float64 // mean; 0 where no run tells
	Stored          bool    // the images are features in a store
	Extracted       bool    // the rate is that of filling the store
	Parameters      int     // trained
	References      []Reference
	Curve           []Band // over the epochs that every run has
}

// HasCurves tells whether any training has epochs to draw a line through: a
// head that cross-validation judged has a single point.
func (p Page) HasCurves() bool {
	for _, g := range p.Groups {
		if len(g.Curve) > 1 {
			return true
		}
	}
	return false
}

// Spread summarises a value over runs.
type Spread struct {
	Mean, SD  float64 // SD is the sample's, of N-1; 0 where N is 1
	Low, High float64
	N         int
}

// Band is one epoch over the runs of a group.
type Band struct {
	Epoch     int
	Accuracy  Spread  // val
	TrainLoss float64 // mean, as ValLoss
	ValLoss   float64
}

// Reference is somebody else's figure.
type Reference struct {
	Name            string // short: "published"
	Network         string // where it is not the group's own
	Source          string
	BestValAccuracy float64
	SD              float64
	Runs            int
	Seconds         float64
}

// Run is one training.
type Run struct {
	Name, Network, Mode, Weights string
	Seeded                       bool
	Seed                         uint64
	Folder                       string
	Classes                      []string
	Step                         string // what an Epoch is called, such as "iteration"; "" for "epoch"
	BestEpoch                    int
	BestValAccuracy              float64
	Seconds                      float64
	Epochs                       []Epoch
	Judged                       *Judged // nil where the photos are not at hand
	Missing                      string  // why Judged is nil
	Notes                        []string
}

// Judged is how a run does on the photos that its training judged by.
type Judged struct {
	Split     string // their name
	Photos    int
	Accuracy  float64
	Loss      float64
	Confusion [][]int // [true class][predicted class], photos
	Classes   []Class // in the order of labels
	Mistakes  []Point // the most confident first
	Wrong     int     // mistakes in all
	Map       *Map    // nil where the features have fewer than two directions
}

// Class are the metrics of one class against all others.
type Class struct {
	Name                  string
	Precision, Recall, F1 float64
	Photos                int
}

// Point is a photo, what a run says of it, and where it lies on the map.
type Point struct {
	Photo       int // index into Page.Photos
	Label       int // index into Run.Classes, as Class
	Class       int // the predicted one
	Probability float64
	X, Y        float64 // on the Map
}

// Map is the plane in which the features of the photos spread most.
type Map struct {
	Points    []Point
	Explained [2]float64 // shares of the variance along X and Y
	Of        int        // photos that the points were drawn from
}

// Photo is shown wherever a run says something of it.
type Photo struct {
	Name string // path relative to the data
	JPEG []byte // thumbnail of thumbnailSide pixels; nil where there is none
}

// ThumbnailSide is the side of the square thumbnails, in pixels.
const ThumbnailSide = 96

// Setting is a name and a value.
type Setting struct {
	Name, Value string
	Of          string // what alone has it; "" for all runs
}

// Difference is a setting in which runs differ.
type Difference struct {
	Name   string
	Values []Variant
}

// Variant is a value and the runs that have it.
type Variant struct {
	Value string
	Runs  []string
}

// Label names the group among those of its network. Random weights are never left out.
func (g Group) Label() string {
	label := ModeName(g.Mode)
	if g.Detail != "" {
		label += ", " + g.Detail
	}
	if g.Seeded {
		label += " (weights " + g.Weights + ")"
	}
	return label
}

// ModeName is what people call a mode.
func ModeName(mode string) string {
	switch mode {
	case modeldir.FeatureExtraction:
		return "feature extraction"
	case modeldir.Scratch:
		return "from scratch"
	}
	return mode
}

// networks are the names of the groups' networks, in order.
func (p Page) networks() []string {
	var names []string
	seen := map[string]bool{}
	for _, g := range p.Groups {
		if !seen[g.Network] {
			seen[g.Network] = true
			names = append(names, g.Network)
		}
	}
	return names
}

// of are the groups of a network.
func (p Page) of(network string) []Group {
	var groups []Group
	for _, g := range p.Groups {
		if g.Network == network {
			groups = append(groups, g)
		}
	}
	return groups
}

// step is what the epochs of the group are called.
func (p Page) step(g Group) string {
	for _, r := range g.Runs {
		if s := p.Runs[r].Step; s != "" {
			return s
		}
	}
	return "epoch"
}
