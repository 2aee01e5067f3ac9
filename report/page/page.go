package page

import "fx/internal/metrics"

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
	Mode    Mode
	Step    string // what an epoch is called, such as "iteration"; "" for "epoch"
	Weights string // that the training started from
	Seeded  bool   // the weights of a pretrained mode are random, so results say nothing about the network
	Detail  string // what tells the group from others of the network and mode, such as "lr 0.01"; mostly ""
	Runs    []int  // indexes into Page.Runs

	Accuracy        metrics.Stats // of the runs' best val accuracies
	Seconds         float64       // mean
	ImagesPerSecond float64       // mean; 0 where no run tells
	Extracted       bool          // the rate is that of filling the store
	Parameters      int           // trained
	References      []Reference
	Curve           []Band // over the epochs that every run has
}

// Mode is a way to train a network.
type Mode struct {
	Key    string // in files, such as "feature-extraction"
	Name   string // for people
	Colour int    // of its curves, an index into the palette
}

// HasCurves tells whether any training has epochs to draw a line through: a
// head that was cross-validated has a single point.
func (p Page) HasCurves() bool {
	for _, g := range p.Groups {
		if len(g.Curve) > 1 {
			return true
		}
	}
	return false
}

// Band is one epoch over the runs of a group.
type Band struct {
	Epoch     int
	Accuracy  metrics.Stats // val
	TrainLoss float64       // mean, as ValLoss
	ValLoss   float64
}

// Reference is a published or measured result, for comparison.
type Reference struct {
	Name            string  `json:"name"`              // short: "published"
	Network         string  `json:"network,omitempty"` // where it is not the group's own
	Source          string  `json:"source"`
	BestValAccuracy float64 `json:"best_val_accuracy"`
	SD              float64 `json:"sd,omitempty"` // over Runs runs
	Runs            int     `json:"runs,omitempty"`
	Seconds         float64 `json:"seconds,omitempty"`
}

// Run is one training.
type Run struct {
	Name, Network, Weights string
	Mode                   Mode
	Seeded                 bool
	Seed                   uint64
	Folder                 string
	Classes                []string
	Step                   string // as of Group
	BestEpoch              int
	BestValAccuracy        float64
	Seconds                float64
	Evaluation             *Evaluation // nil where the photos are not at hand
	Missing                string      // why Evaluation is nil
}

// Evaluation is how a run does on the photos that its training was evaluated on.
type Evaluation struct {
	metrics.Evaluation
	Split    string // their name
	Photos   int
	Mistakes []Point // the most confident first
	Wrong    int     // mistakes in all
	Map      *Map    // nil where the features have fewer than two directions
}

// Point is what a run says of a photo, an index into Page.Photos, and where it lies on the map.
type Point struct {
	metrics.Prediction
	X, Y float64
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
	JPEG []byte // thumbnail of ThumbnailSide pixels; nil where there is none
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
	label := g.Mode.Name
	if g.Detail != "" {
		label += ", " + g.Detail
	}
	if g.Seeded {
		label += " (weights " + g.Weights + ")"
	}
	return label
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
