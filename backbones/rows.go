package backbones

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"fx/internal/preprocess"
	"fx/internal/pretrained"
)

// registryJSON is the table of networks: a new one needs a row there and its graph in graphs/.
// scripts/export_onnx/registry.py explains the fields and fills in what torchvision and timm say themselves.
//
// Sources of what was typed: torchvision's models (names, structure); the tutorial "Finetuning Torchvision
// Models" (the first eight resize straight to the input's size); tensorflow/tpu, models/official/efficientnet/lite
// (mean 127, deviation 128, bicubic, crop of 224 from 256: the efficientnet_lite0 package's own README repeats
// ImageNet's mean and deviation, with which its weights find 65-68 % of hymenoptera_data's ants and bees instead of
// 85 %); facebookresearch/dinov2 (resizing to 256, crop of 224, class token and mean of the others for a head) and
// dinov3 (resizing without regard to the shape).
//
//go:embed registry.json
var registryJSON []byte

// table is registry.json.
type table struct {
	Licences map[string]string `json:"licences"` // by key
	Networks []row             `json:"networks"`

	byName map[string]named // NAME, NAME@TAG and aliases
}

type named struct {
	row     *row
	weights *rowWeights
}

// row is a network of the registry.
type row struct {
	Name       string          `json:"name"`
	Title      string          `json:"title"`
	Family     string          `json:"family"`
	Aliases    []string        `json:"aliases"` // names of the same graph in timm
	Paper      string          `json:"paper"`
	Source     string          `json:"source"`  // what builds it: PACKAGE:NAME
	Options    json.RawMessage `json:"options"` // that it is built with
	Outputs    []string        `json:"outputs"` // of the skeleton, if it has more than the logits
	Initial    string          `json:"initial"` // its rule of initialRules, "" if that is not known
	CPUBatch   int             `json:"cpu_batch"`
	FixedSize  bool            `json:"fixed_size"` // its graph is right for photos of its own size alone
	Parameters int64           `json:"parameters"`
	Features   struct {
		Tensor string `json:"tensor"`
		Shape  []int  `json:"shape"`
	} `json:"features"`
	Tokens    *tokens      `json:"tokens"` // nil if it is no transformer
	Pool      Pool         `json:"pool"`   // the default, "" for the network's own
	Head      *Head        `json:"head"`   // nil if the network has none
	Auxiliary *Head        `json:"auxiliary"`
	Ignored   []string     `json:"ignored"` // beginnings of names in weights files that the graph leaves out
	Weights   []rowWeights `json:"weights"` // the default first

	licences map[string]string
}

// rowWeights is one set of weights of a network.
type rowWeights struct {
	Tag         string          `json:"tag"` // "" for the first of the networks that PyTorch's tutorial has
	Aliases     []string        `json:"aliases"`
	Torchvision string          `json:"torchvision"` // its name among torchvision's weights
	File        string          `json:"file"`
	SHA256      string          `json:"sha256"`
	Bytes       int64           `json:"bytes"`
	Hub         string          `json:"hub"` // its repository on the Hugging Face hub
	Package     string          `json:"package"`
	PackageFile string          `json:"package_file"`
	Gated       bool            `json:"gated"` // fx may not fetch them: its licence must be accepted first
	Preprocess  preprocess.Spec `json:"preprocess"`
	Accuracy    *Accuracy       `json:"accuracy"`
	Licence     string          `json:"licence"` // a key of table.Licences
}

// registry returns the table, which callers must not change.
var registry = sync.OnceValue(func() *table {
	t, err := parseTable(registryJSON)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return t
})

func parseTable(data []byte) (*table, error) {
	t := &table{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(t); err != nil {
		return nil, err
	}
	return t, t.index()
}

// index fills byName.
func (t *table) index() error {
	t.byName = map[string]named{}
	for i := range t.Networks {
		r := &t.Networks[i]
		r.licences = t.Licences
		for k := range r.Weights {
			w := &r.Weights[k]
			for _, name := range append(r.names(w), r.aliases(w)...) {
				if other, taken := t.byName[name]; taken {
					return fmt.Errorf("%s and %s are both called %q", other.row.Name, r.Name, name)
				}
				t.byName[name] = named{r, w}
			}
		}
	}
	return nil
}

// names returns NAME for the default weights, and NAME@TAG.
func (r *row) names(w *rowWeights) []string {
	var names []string
	if w == &r.Weights[0] {
		names = append(names, r.Name)
	}
	if w.Tag != "" {
		names = append(names, r.Name+"@"+w.Tag)
	}
	return names
}

// aliases returns the names of the same weights in timm, on the hub and in torchvision.
func (r *row) aliases(w *rowWeights) []string {
	aliases := slices.Clone(w.Aliases)
	if w == &r.Weights[0] {
		aliases = append(aliases, r.Aliases...)
	}
	if w.Torchvision != "" && w.Tag != "" {
		aliases = append(aliases, r.Name+"@"+w.Torchvision)
	}
	if w.Hub != "" {
		aliases = append(aliases, w.Hub, w.Hub[strings.Index(w.Hub, "/")+1:])
	}
	return aliases
}

func (r *row) tags() []string {
	var tags []string
	for _, w := range r.Weights {
		if w.Tag != "" {
			tags = append(tags, w.Tag)
		}
	}
	return tags
}

// backbone returns the network with these weights.
func (r *row) backbone(w *rowWeights) Backbone {
	b := Backbone{
		Name: r.names(w)[0], Title: r.Title, Family: r.Family, Aliases: r.aliases(w), Licence: r.licences[w.Licence],
		Accuracy: w.Accuracy, Paper: r.Paper, Preprocess: w.Preprocess, FeatureTensor: r.Features.Tensor,
		FeatureShape: r.Features.Shape, Auxiliary: r.Auxiliary, CPUBatch: r.CPUBatch, Weights: w.official(),
		Parameters: r.Parameters, Tags: r.tags(), row: r,
	}
	if w.Gated {
		b.Gated = w.Hub
	}
	b.Pools = r.pools()
	if r.Head != nil {
		b.Head = *r.Head
	}
	switch {
	case len(b.Pools) > 0:
		b.setPool(b.Pools[0])
	case r.Head == nil:
		b.Head = newHeadFor(r.Features.Shape[0])
	}
	return b.clone()
}

// official says where to find the weights. torchvision publishes the first digits of a file's SHA-256, in its name.
// All 64 are given if independent projects that pin the file agree on them; if none were found, it is "" and the
// first use on a machine decides.
func (w *rowWeights) official() pretrained.Official {
	o := pretrained.Official{File: w.File, SHA256: w.SHA256, Bytes: w.Bytes, Hub: w.Hub, Package: w.Package,
		PackageFile: w.PackageFile}
	if w.Gated {
		o.Hub = ""
	}
	if w.File != "" {
		o.SHA256Prefix = strings.TrimSuffix(w.File[strings.LastIndex(w.File, "-")+1:], ".pth")
	}
	if w.Torchvision != "" {
		o.URL = "https://download.pytorch.org/models/" + w.File
	}
	return o
}
