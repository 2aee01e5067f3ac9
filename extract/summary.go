package extract

import (
	"slices"
	"time"

	"fx/backbones"
	"fx/internal/speeds"
)

// Summary is the result of Run. Without Views, Computed + Cached + rejected = Images.
type Summary struct {
	Images   int `json:"images"`   // photos found, rejected ones included
	Computed int `json:"computed"` // embeddings computed by this run
	Cached   int `json:"cached"`   // embeddings that the store had
	Dropped  int `json:"dropped"`  // rows of photos or views that are gone or changed
	// Damaged counts rows in damaged files of the store. Those of existing photos are in Computed, too.
	Damaged     int        `json:"damaged"`
	Rejected    []BadPhoto `json:"rejected"` // photos that can't be used
	Skipped     []BadPhoto `json:"skipped"`  // files that are no photos
	Seconds     float64    `json:"seconds"`  // of the whole run
	LoadSeconds float64    `json:"load_seconds"`
	// ImagesPerSecond counts embeddings, from the first photo read to the last row written.
	ImagesPerSecond float64  `json:"images_per_second"`
	FeatureShape    []int    `json:"feature_shape"`
	Provider        string   `json:"provider"` // ONNX Runtime's name
	Why             string   `json:"why,omitempty"`
	Decoder         string   `json:"decoder"`
	Backbone        string   `json:"backbone"`
	Weights         string   `json:"weights"`
	WeightsSHA256   string   `json:"weights_sha256"`
	Classes         []string `json:"classes"`
	Store           string   `json:"store"`
	Notes           []string `json:"notes"`
}

// timedRows is the number of rows from which a speed is worth recording: the first batches are slower.
const timedRows = 64

// recordSpeed remembers the speed of a registered network at its own size, for `fx backbones list`.
func (r *run) recordSpeed(s Summary) {
	registered, err := backbones.Lookup(s.Backbone)
	if err != nil || r.network.Backbone.File != "" || r.network.Backbone.Preprocess != registered.Preprocess ||
		r.options.FastDecode || s.Computed < timedRows {
		return
	}
	speeds.Record(speeds.Speed{
		Network: s.Backbone, Device: r.embedder.session.Device().Kind, Precision: string(r.manifest.Compute.Precision),
		ImagesPerSecond: s.ImagesPerSecond, Measured: time.Now().UTC().Truncate(time.Second),
	})
}

func (r *run) summary() Summary {
	n := r.network
	s := Summary{
		Images: r.plan.Photos + r.refused, Computed: r.computed, Cached: r.plan.CachedRows, Damaged: r.plan.DamagedRows,
		Rejected: r.badPhotos(), Skipped: r.skipped(),
		Seconds: time.Since(r.start).Seconds(), LoadSeconds: r.loaded.Seconds(),
		FeatureShape: n.Backbone.FeatureShape, Provider: r.manifest.Compute.String(), Decoder: r.decoder.Name(),
		Backbone: n.Backbone.Name, Weights: n.Weights.String(), WeightsSHA256: n.WeightsSHA256,
		Classes: r.photos.Classes, Store: r.options.Store, Notes: r.notes(),
	}
	if r.embedder != nil {
		s.Why = r.embedder.Session().Why()
	}
	if r.computed > 0 {
		s.ImagesPerSecond = float64(r.computed) / r.filled.Seconds()
	}
	return s
}

// notes returns what the user should read about the network and the photos.
func (r *run) notes() []string {
	return append([]string{}, slices.Concat(r.network.Found, r.network.Notes, r.photos.Notes)...)
}

// skipped returns the files that are no photos.
func (r *run) skipped() []BadPhoto {
	all := []BadPhoto{}
	for _, skipped := range r.photos.Skipped {
		all = append(all, SkippedFile(skipped))
	}
	return all
}
