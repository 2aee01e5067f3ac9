package classify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"fx/backbones"
	"fx/extract"
	"fx/head"
	"fx/internal/chart"
	"fx/internal/dataset"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/internal/version"
	"fx/internal/weights"
)

// The networks that Quickstart tries in turn: both have linear heads, and the
// first's weights can be had as a Python package where torchvision's address
// can't be reached.
var quickstartBackbones = []string{"efficientnet_lite0", "resnet18"}

// QuickstartOptions of Quickstart. Only Data is needed.
type QuickstartOptions struct {
	Data       string   // folder of photos, a folder a class, with or without train/ and val/; or a .csv list
	Extensions []string // that count as photos besides torchvision's
	// NoFollowLinks leaves out photos behind links, see dataset.Options.
	NoFollowLinks bool

	Out        string // folder for all that it makes; "" is Data with -fx added
	Force      bool   // even where Out holds something else or lies inside Data, see outpath.Prepare
	Embedder   extract.EmbedderOptions
	Decoder    string
	FastDecode bool   // as in extract.Options
	Folds      int    // of the cross-validation, 0 for head's choice
	Seed       uint64 // of the folds
}

// Quickstart goes the whole way from somebody's own photos to a classifier, and
// says in plain words how good it is: it extracts features, chooses the penalty
// of a linear head by cross-validation, trains it by L-BFGS on all training
// photos, evaluates it by photos that it has not seen, looks for labels that look
// wrong, and exports it.
//
// It can be interrupted at any moment and run again, also after photos came or
// went: only what is missing is extracted, and nothing is done where nothing
// has changed. EXIF's orientation is applied, since phones store photos lying.
func Quickstart(ctx context.Context, o QuickstartOptions, watch progress.Reporter) (QuickstartSummary, error) {
	if o.Out == "" {
		o.Out = quickstartOut(o.Data)
	}
	if err := checkQuickstart(o); err != nil {
		return QuickstartSummary{}, err
	}
	photos, err := dataset.Scan(ctx, o.Data, dataset.Options{Extensions: o.Extensions, NoFollowLinks: o.NoFollowLinks})
	if err != nil {
		return QuickstartSummary{}, err
	}
	// What is too little before the photos were read is so after, too.
	splits, err := photos.ChooseSplits(dataset.SplitRequest{
		From: o.Data, Evaluation: dataset.OptionalEvaluation, Least: leastPhotos,
		Advice: "Call the folder to train on train and the one to evaluate on val; without val fx evaluates by " +
			"cross-validation.",
	})
	if err != nil {
		return QuickstartSummary{}, err
	}
	q := &quickstart{options: o, splits: splits, watch: watch}
	q.summary = QuickstartSummary{
		FormatVersion: quickstartVersion, Data: o.Data, Out: o.Out, TrainSplit: splits.Train, Files: quickstartFilesIn(o.Out),
		Notes: []string{}, PhotoNotes: photos.Notes,
	}
	watch.Note("the results will be in " + o.Out)
	if err := q.extract(ctx); err != nil {
		return q.summary, err
	}
	return q.finish(ctx)
}

// quickstart is one Quickstart under way.
type quickstart struct {
	options QuickstartOptions
	splits  dataset.Splits
	watch   progress.Reporter
	summary QuickstartSummary

	weights  weights.Ref // of the network, for the export
	features *store.Store
	train    head.Data
	val      head.Data // to evaluate on; without what is in train too
}

// extract brings the features to what the photos are now.
func (q *quickstart) extract(ctx context.Context) error {
	o, s := q.options, &q.summary
	candidates := quickstartBackbones
	earlier, err := store.ReadManifest(s.Files.Features)
	if fail.BySystem(err) {
		return err
	}
	if err == nil && o.Embedder.Network.Backbone == "" {
		// Go on with the network that the features are of, whatever can be had now.
		candidates = []string{earlier.Backbone}
		if file, n := earlier.Made.BackboneFile, &o.Embedder.Network; file != "" {
			candidates[0] = file
			n.FeatureTensor = cmp.Or(n.FeatureTensor, earlier.Made.FeatureTensor)
			n.Resize = cmp.Or(n.Resize, earlier.Preprocess.Resize)
			n.Crop = cmp.Or(n.Crop, earlier.Preprocess.Crop)
			n.Normalization = cmp.Or(n.Normalization, earlier.Preprocess.Normalization())
		}
		if ref := earlier.Made.WeightsFile; o.Embedder.Network.Weights.IsZero() && ref.Random() {
			o.Embedder.Network.Weights = ref
		}
	}
	network, opened, notes, err := openFirst(ctx, o.Embedder.Network, candidates, q.watch)
	if err != nil {
		return err
	}
	if shape := opened.Backbone.FeatureShape; shape != nil {
		if err := linearOnly(opened.Backbone.Name, string(opened.Backbone.Head.Kind)); err != nil {
			return err
		}
	}
	s.Backbone, s.Weights, s.WeightsOrigin = opened.Backbone.Name, opened.Weights.String(), opened.WeightsOrigin
	s.Notes, s.Untrained = append(s.Notes, notes...), opened.Untrained
	o.Embedder.Network, q.weights = network, network.Weights
	s.Extract, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: o.Data, Extensions: o.Extensions, NoFollowLinks: o.NoFollowLinks, Store: s.Files.Features, Force: o.Force,
		Decoder: o.Decoder, EXIF: "apply", FastDecode: o.FastDecode,
	}, q.watch)
	if err != nil && fail.KindOf(err) == fail.Usage {
		return fail.Wrap(fail.Usage, err, "Name another folder with --out, or remove "+s.Files.Features+".",
			"the features of an earlier run")
	}
	return err
}

// finish makes of the features whatever is not there yet.
func (q *quickstart) finish(ctx context.Context) (QuickstartSummary, error) {
	s := &q.summary
	var err error
	if q.features, err = store.Open(ctx, s.Files.Features, q.watch); err != nil {
		return *s, err
	}
	defer func() { _ = q.features.Close() }() // only read
	if err := q.choosePhotos(); err != nil {
		return *s, err
	}
	if s.InputsSHA256, err = q.inputs(); err != nil {
		return *s, err
	}
	if earlier, ok := readQuickstart(s.Files); ok && earlier.InputsSHA256 == s.InputsSHA256 {
		earlier.Data, earlier.Out, earlier.Files, earlier.Extract, earlier.Unchanged = s.Data, s.Out, s.Files, s.Extract, true
		earlier.PhotoNotes, earlier.Untrained = s.PhotoNotes, s.Untrained
		*s = earlier
		return *s, s.save(nil)
	}
	// Until the end the earlier summary may not fit the MODEL: the next run sees that.
	if err := q.fit(ctx); err != nil {
		return *s, err
	}
	return *s, s.save(func(r *durable.Replacement) error {
		if err := r.Write(filepath.Base(s.Files.Picture), q.picture); err != nil {
			return err
		}
		return r.Write(filepath.Base(s.Files.Classifier), func(path string) error {
			exported, err := Export(ctx, Options{
				Model: s.Files.Model, Force: q.options.Force,
				Embedder: extract.EmbedderOptions{Network: backbones.NetworkOptions{Weights: q.weights}},
			}, path, true, q.watch)
			s.ClassifierBytes = exported.Bytes
			return err
		})
	})
}

// inputs identifies all that the result depends on but the features'
// embeddings, which are a function of it.
func (q *quickstart) inputs() (string, error) {
	m := q.features.Manifest
	m.Made, m.Compute = store.Provenance{}, store.Compute{} // m.Provider says the same, as it did in an older fx
	differ := 0
	groups := copiesOf(q.features, head.Data{Photos: slices.Concat(q.train.Photos, q.val.Photos)})
	if n := distinct(groups); n < len(groups) {
		differ = n
	}
	h := sha256.New()
	splits := []string{q.splits.Train, q.splits.Val}
	for _, left := range q.splits.LeftOut {
		splits = append(splits, left.Split)
	}
	encoder := json.NewEncoder(h)
	err := encoder.Encode(struct {
		Version  int
		FX       string
		Manifest store.Manifest
		Splits   []string
		Folds    int
		Seed     uint64
		Rejected []extract.BadPhoto
		Distinct int `json:",omitempty"` // where there are copies: an older fx counted them in the interval

		Extensions    []string `json:",omitempty"` // which the MODEL names; likewise NoFollowLinks
		NoFollowLinks bool     `json:",omitempty"`
	}{
		quickstartVersion, version.String(), m, splits,
		q.options.Folds, q.options.Seed, q.summary.Extract.Rejected, differ,
		q.options.Extensions, q.options.NoFollowLinks,
	})
	for _, r := range q.features.Rows() {
		if err == nil {
			err = encoder.Encode([]any{r.Path, hex.EncodeToString(r.SHA256[:]), r.Split, r.Class, r.View})
		}
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// picture draws the confusion matrix.
func (q *quickstart) picture(path string) error {
	s := &q.summary
	untrained, _ := s.notes()
	return chart.WriteConfusion(path, chart.Confusion{
		Title: "fx quickstart: " + s.Backbone, Subtitle: strings.Join(untrained, "; "),
		Counts: s.Judged.Confusion, Classes: q.features.Manifest.Classes, Photos: "unseen photos",
	})
}
