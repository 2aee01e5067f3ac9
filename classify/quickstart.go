package classify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// QuickstartOptions of Quickstart. Only Data is needed.
type QuickstartOptions struct {
	Data   string          // folder with a folder for each class, with or without train/ and val/; or a .csv list
	Photos dataset.Options // which of its files are photos

	Out        string                  // folder for the results; "" is Data with -fx added
	Force      bool                    // write to Out though outpath.Prepare refuses it
	Embedder   extract.EmbedderOptions // Network.Backbone may also be a word of QuickstartChoices, "" is the first
	FastDecode bool                    // as in extract.Options
	MaxBad     extract.MaxBad          // as in extract.Options
	Folds      int                     // of the cross-validation, 0 for head's choice
	Seed       uint64                  // of the folds
}

// Quickstart makes a classifier from a user's photos and describes in plain words how good it is. It extracts
// features, chooses the penalty of a linear head by cross-validation, trains it by L-BFGS on all training photos,
// evaluates it on photos that it was not trained on, searches for wrong labels, and exports it. A convolutional head
// has no penalty: SGD trains it with the settings of fx fit-head, to the last epoch.
//
// It can be interrupted at any moment and run again, also after photos were added or removed: it extracts only missing
// features, and does nothing if nothing has changed. It applies the EXIF orientation, because phones often store
// photos rotated.
func Quickstart(ctx context.Context, o QuickstartOptions, watch progress.Reporter) (QuickstartSummary, error) {
	if o.Out == "" {
		o.Out = quickstartOut(o.Data)
	}
	if err := checkQuickstart(o); err != nil {
		return QuickstartSummary{}, err
	}
	photos, err := dataset.Scan(ctx, o.Data, o.Photos)
	if err != nil {
		return QuickstartSummary{}, err
	}
	// The check holds before the photos are read, too: reading only removes photos.
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
		FormatVersion: quickstartVersion, Data: o.Data, Out: o.Out, TrainSplit: splits.Train,
		Files: quickstartFilesIn(o.Out),
		Notes: []string{}, PhotoNotes: photos.Notes,
	}
	watch.Note("the results will be in " + o.Out)
	if err := q.extract(ctx); err != nil {
		return q.summary, err
	}
	return q.finish(ctx)
}

// quickstart is the state of one Quickstart.
type quickstart struct {
	options QuickstartOptions
	splits  dataset.Splits
	watch   progress.Reporter
	summary QuickstartSummary

	weights  weights.Ref // of the network, for the export
	features *store.Store
	train    head.Data
	val      head.Data // for evaluation, without photos that are in train too
}

// extract updates the features to the current photos.
func (q *quickstart) extract(ctx context.Context) error {
	o, s := q.options, &q.summary
	var candidates []string // nil if the user names the network
	earlier, err := store.ReadManifest(s.Files.Features)
	if fail.BySystem(err) {
		return err
	}
	choice, chosen := choiceOf(o.Embedder.Network.Backbone)
	if chosen {
		o.Embedder.Network.Backbone = ""
	}
	switch {
	case !chosen:
	case err == nil && choice.goesOn(earlier.Backbone):
		// Continue with the network of the stored features, whichever weights are found now.
		if !choice.prefers(earlier.Backbone) {
			q.watch.Note(fmt.Sprintf("going on with %s, which made the features in %s; "+
				"--out names another folder for %s",
				earlier.Backbone, s.Files.Features, choice.networks[0]))
		}
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
	default:
		if candidates, err = choice.candidates(o.Embedder); err != nil {
			return err
		}
	}
	network, opened, notes, err := openFirst(ctx, o.Embedder.Network, candidates, q.watch)
	if err != nil {
		return err
	}
	s.Backbone, s.Weights, s.WeightsOrigin = opened.Backbone.Name, opened.Weights.String(), opened.WeightsOrigin
	s.Notes, s.Untrained = append(s.Notes, notes...), opened.Untrained
	o.Embedder.Network, q.weights = network, network.Weights
	s.Extract, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: o.Data, Photos: o.Photos,
		Store: s.Files.Features, Force: o.Force,
		EXIF: "apply", FastDecode: o.FastDecode, MaxBad: o.MaxBad,
	}, q.watch)
	if err != nil && fail.KindOf(err) == fail.Usage {
		return fail.Wrap(fail.Usage, err, "Name another folder with --out, or remove "+s.Files.Features+".",
			"the features of an earlier run")
	}
	return err
}

// finish makes everything from the features that is missing.
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
		earlier.Data, earlier.Out, earlier.Files = s.Data, s.Out, s.Files
		earlier.Extract, earlier.Unchanged = s.Extract, true
		earlier.PhotoNotes, earlier.Untrained = s.PhotoNotes, s.Untrained
		*s = earlier
		return *s, s.save(nil)
	}
	// Until the end, the earlier summary may not fit the MODEL. The next run detects that.
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

// inputs identifies everything that the result depends on, except the embeddings, which depend on it.
func (q *quickstart) inputs() (string, error) {
	m := q.features.Manifest
	m.Made, m.Compute = store.Provenance{}, store.Compute{} // m.Provider says the same, as in an older fx
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
		Distinct int `json:",omitempty"` // if there are copies; an older fx counted them in the interval

		Extensions    []string `json:",omitempty"` // recorded in the MODEL; likewise NoFollowLinks
		NoFollowLinks bool     `json:",omitempty"`
	}{
		quickstartVersion, version.String(), m, splits,
		q.options.Folds, q.options.Seed, q.summary.Extract.Rejected, differ,
		q.options.Photos.Extensions, q.options.Photos.NoFollowLinks,
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
		Counts: s.Evaluation.Confusion, Classes: q.features.Manifest.Classes, Photos: "unseen photos",
	})
}
