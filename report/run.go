package report

import (
	"path/filepath"
	"strings"

	"fx/finetune"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/report/page"
)

// maxEpochs is how many points of a curve a page takes: L-BFGS may have thousands.
const maxEpochs = 200

// run is one training under way into the report.
type run struct {
	found
	model    modeldir.Model
	origin   finetune.Origin // zero for the MODEL of `fx fit-head`
	settings settings
	// evaluated are notes of the evaluation of its photos by this report.
	evaluated []string
	shown     page.Run
}

// open reads what the run says of itself.
func open(f found) (*run, error) {
	m, _, err := modeldir.Load(f.dir)
	if err != nil {
		return nil, err
	}
	origin, _, err := finetune.ReadOrigin(f.dir)
	if err != nil {
		return nil, err
	}
	r := &run{found: f, model: m, origin: origin}
	r.shown = page.Run{
		Name: f.name, Network: m.Backbone.Name, Mode: modeOf(r.mode()), Seed: m.Seed, Folder: f.dir, Classes: m.Classes,
		BestEpoch: m.Metrics.BestEpoch, BestValAccuracy: m.Metrics.BestValAccuracy, Seconds: m.Metrics.Seconds,
	}
	if f.member != nil {
		r.shown.Network = f.member.Backbone
		if f.member.Seconds > 0 {
			r.shown.Seconds = f.member.Seconds
		}
	}
	r.shown.Step = m.Options.Step()
	r.shown.Weights, r.shown.Seeded = r.weights()
	r.settings = r.readSettings()
	return r, nil
}

// mode is how the network was trained. A MODEL of an older fx does not say.
func (r *run) mode() string {
	if r.model.Mode != "" {
		return r.model.Mode
	}
	options, finetuned := r.model.Options.Read()
	switch {
	case finetuned && options["scratch"] == true:
		return modeldir.Scratch
	case finetuned && options["trainable"] != "head":
		return modeldir.Finetune
	}
	return modeldir.FeatureExtraction
}

// modeOf is a mode for the page, in the tutorial's order of colours.
func modeOf(key string) page.Mode {
	switch key {
	case modeldir.FeatureExtraction:
		return page.Mode{Key: key, Name: "feature extraction"}
	case modeldir.Finetune:
		return page.Mode{Key: key, Name: key, Colour: 1}
	case modeldir.Scratch:
		return page.Mode{Key: key, Name: "from scratch", Colour: 2}
	}
	return page.Mode{Key: key, Name: key, Colour: 2}
}

// weights names what the training started from, and tells whether these are
// random although the mode asks for a pretrained network.
func (r *run) weights() (name string, seeded bool) {
	if r.shown.Mode.Key == modeldir.Scratch {
		return "random", false
	}
	ref := r.origin.Weights
	if ref.IsZero() {
		ref = r.model.Backbone.Weights
	}
	name, seeded = ref.Name(), ref.Random()
	if r.member != nil && r.member.Weights != "" {
		name, seeded = r.member.Weights, r.member.Seeded
	}
	if !seeded {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	if seeded = seeded || r.model.Untrained != ""; seeded { // of files whose metadata says so, too
		name += ", not trained"
	}
	return name, seeded
}

// epochs are the points of the curves, thinned evenly where there are very
// many; the first, the best and the last stay.
func (r *run) epochs() []metrics.Epoch {
	all := r.model.Metrics.Epochs
	every := (len(all) + maxEpochs - 1) / maxEpochs
	var kept []metrics.Epoch
	for i, e := range all {
		if every <= 1 || i%every == 0 || e.Epoch == r.model.Metrics.BestEpoch || i == len(all)-1 {
			kept = append(kept, e)
		}
	}
	return kept
}
