package backbones

import (
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/preprocess"
	"fx/internal/pretrained"
	"fx/internal/spelling"
)

// Head describes the classifier at the end of a network.
type Head struct {
	Kind    headspec.Kind `json:"kind"`
	In      int           `json:"in"`      // features of a linear head, channels of a conv1x1 head
	Spatial [2]int        `json:"spatial"` // height and width of a conv1x1 head's input, zero for a linear head
	Weight  string        `json:"weight"`  // its parameter's name in the state dict
	Bias    string        `json:"bias"`    // likewise
	Dropout float64       `json:"dropout"` // share dropped from the cached features in training
	Classes int           `json:"classes"` // of the pretrained head, 0 if there is none
}

// Positions returns the number of positions to which the head is applied: 1 for a
// linear head, height × width for a conv1x1 head.
func (h Head) Positions() int {
	if h.Kind == headspec.Conv1x1 {
		return h.Spatial[0] * h.Spatial[1]
	}
	return 1
}

// Layout returns the shape of such a head for the number of classes.
func (h Head) Layout(classes int) headspec.Layout {
	return headspec.Layout{Kind: h.Kind, Features: h.In, Positions: h.Positions(), Dropout: h.Dropout, Classes: classes}
}

// Backbone is a network that fx can take features from.
type Backbone struct {
	Name          string              `json:"name"` // or NAME@TAG, for other weights than its first
	Title         string              `json:"title"`
	Family        string              `json:"family,omitempty"`
	Aliases       []string            `json:"aliases,omitempty"`  // other names of the same network and weights
	Licence       string              `json:"licence"`            // of the code and weights
	Accuracy      *Accuracy           `json:"accuracy,omitempty"` // as published for these weights
	Gated         string              `json:"gated,omitempty"`    // repository whose licence the user must accept first
	Paper         string              `json:"paper,omitempty"`    // its address
	Parameters    int64               `json:"parameters,omitempty"`
	Tags          []string            `json:"tags,omitempty"` // of all weights of the network, for NAME@TAG
	Preprocess    preprocess.Spec     `json:"preprocess"`
	FeatureTensor string              `json:"feature_tensor"`  // its name in the graph without dropout
	FeatureShape  []int               `json:"feature_shape"`   // of one photo; nil if only ONNX Runtime can infer it
	Pool          Pool                `json:"pool,omitempty"`  // how a transformer's features come from its tokens
	Pools         []Pool              `json:"pools,omitempty"` // the choices, the default first; nil for other networks
	Head          Head                `json:"head"`
	Auxiliary     *Head               `json:"auxiliary,omitempty"` // a second classifier, which only training uses
	Weights       pretrained.Official `json:"weights"`
	// the ONNX file it came from, "" for a registered network
	File     string   `json:"file,omitempty"`
	Batch    int      `json:"batch,omitempty"`     // the only batch size that its file takes, 0 for any
	CPUBatch int      `json:"cpu_batch,omitempty"` // best batch size on a CPU, 0 if the caller chooses
	Notes    []string `json:"notes,omitempty"`     // assumptions of FromFile

	row *row // of a registered network
}

// Accuracy is what a network's authors, or those of its weights, have published, in percent.
type Accuracy struct {
	Top1   float64 `json:"top1,omitempty"`   // of its own classifier on ImageNet's val photos
	Linear float64 `json:"linear,omitempty"` // of a linear classifier on its frozen features, there
	Source string  `json:"source"`
}

// All returns the registered networks in display order, each with its first weights.
func All() []Backbone {
	rows := registry().Networks
	all := make([]Backbone, len(rows))
	for i := range rows {
		all[i] = rows[i].backbone(&rows[i].Weights[0])
	}
	return all
}

// Search returns the registered networks that have every word of the text, in any case, in their name, title, family,
// other names, tags or licence.
func Search(text string) []Backbone {
	words := strings.Fields(strings.ToLower(text))
	return slices.DeleteFunc(All(), func(b Backbone) bool {
		described := []string{b.Name, b.Title, b.Family}
		for _, v := range Variants(b) {
			described = append(append(described, v.Name, v.Licence), v.Aliases...)
		}
		whole := strings.ToLower(strings.Join(described, " "))
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(whole, word) })
	})
}

// Variants returns the registered network of b with each of its weights, the first ones first.
func Variants(b Backbone) []Backbone {
	var all []Backbone
	for i := range b.row.Weights {
		all = append(all, b.row.backbone(&b.row.Weights[i]))
	}
	return all
}

func (b Backbone) clone() Backbone {
	b.FeatureShape = slices.Clone(b.FeatureShape)
	if b.Auxiliary != nil {
		auxiliary := *b.Auxiliary
		b.Auxiliary = &auxiliary
	}
	return b
}

// Lookup returns the registered network of that name: NAME, NAME@TAG, or a name of timm's or torchvision's for the
// same weights, each followed by @POOL for another pooling of a transformer. An unknown name is an error of kind
// fail.Usage that names the nearest ones.
func Lookup(name string) (Backbone, error) {
	table := registry()
	if found, ok := table.byName[name]; ok {
		return found.row.backbone(found.weights), nil
	}
	if i := strings.LastIndexByte(name, '@'); i > 0 {
		pool := Pool(name[i+1:])
		if found, ok := table.byName[name[:i]]; ok && slices.Contains(found.row.pools(), pool) {
			return found.row.backbone(found.weights).WithPool(pool)
		}
	}
	var names []string
	network, tag, tagged := strings.Cut(name, "@")
	for _, r := range table.Networks {
		if tagged && r.Name == network {
			suffixes := r.tags()
			for _, pool := range r.pools() {
				suffixes = append(suffixes, string(pool))
			}
			hint := "It has " + strings.Join(suffixes, ", ") + "."
			if len(suffixes) == 0 {
				hint = "Omit @" + tag + "."
			}
			return Backbone{}, fail.New(fail.Usage, hint, "the backbone %s has no weights or pooling %q", network, tag)
		}
		names = append(names, r.Name)
	}
	hint := "`fx backbones list` shows the names; an ONNX file of your own is given by its path, ending in .onnx."
	if near := spelling.Nearest(names, name); len(near) > 0 {
		hint = "Did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return Backbone{}, fail.New(fail.Usage, hint, "unknown backbone %q", name)
}
