package classify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/backbones"
	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/report"
	"fx/internal/store"
)

// The networks that Quickstart tries in turn: both have linear heads, and the
// first's weights can be had as a Python package where torchvision's address
// can't be reached.
var quickstartBackbones = []string{"efficientnet_lite0", "resnet18"}

// QuickstartOptions of Quickstart. Only Data is needed.
type QuickstartOptions struct {
	Data       string   // folder of photos, a folder a class, with or without train/ and val/; or a .csv list
	Extensions []string // that count as photos besides torchvision's
	Out        string   // folder for all that it makes; "" is Data with -fx added
	Embedder   extract.EmbedderOptions
	Decoder    string
	Folds      int    // of the cross-validation, 0 for head's choice
	Seed       uint64 // of the folds
	FxVersion  string
}

// Quickstart goes the whole way from somebody's own photos to a classifier, and
// says in plain words how good it is: it extracts features, chooses the penalty
// of a linear head by cross-validation, trains it by L-BFGS on all training
// photos, judges it by photos that it has not seen, looks for labels that look
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
	photos, err := dataset.Scan(ctx, o.Data, dataset.Options{Extensions: o.Extensions})
	if err != nil {
		return QuickstartSummary{}, err
	}
	splits, err := quickstartSplitsOf(photos.Splits, o.Data)
	if err != nil {
		return QuickstartSummary{}, err
	}
	// What is too little before the photos were read is so after, too.
	if err := enoughPhotos(photos, splits); err != nil {
		return QuickstartSummary{}, err
	}
	q := &quickstart{options: o, splits: splits, watch: watch}
	q.summary = QuickstartSummary{FormatVersion: QuickstartVersion, Data: o.Data, Out: o.Out, TrainSplit: splits.train, Files: quickstartFilesIn(o.Out), Notes: []string{}}
	if err := q.extract(ctx); err != nil {
		return q.summary, err
	}
	return q.finish(ctx)
}

// quickstartOut is the folder beside the photos' own.
func quickstartOut(data string) string {
	if filepath.Base(data) == "." || filepath.Base(data) == ".." {
		data = absolute(data) // so that it has a name
	}
	data = filepath.Clean(data)
	if strings.EqualFold(filepath.Ext(data), ".csv") {
		data = strings.TrimSuffix(data, filepath.Ext(data))
	}
	return data + "-fx"
}

// checkQuickstart refuses folders that are not what they should be.
func checkQuickstart(o QuickstartOptions) error {
	const photos = "Give the folder of your photos: one folder a class, with or without train/ and val/."
	for _, c := range []struct{ dir, file, hint, what string }{
		{o.Data, "manifest.json", photos, "an embedding store"},
		{o.Data, "model.json", photos, "a MODEL"},
		{o.Data, "experiment.json", photos, "an experiment"},
		{o.Data, quickstartJSON, photos, "what an earlier quickstart made"},
		{o.Out, "manifest.json", "Name another folder with --out.", "an embedding store"},
		{o.Out, "model.json", "Name another folder with --out.", "a MODEL"},
	} {
		if _, err := os.Stat(filepath.Join(c.dir, c.file)); err == nil {
			return fail.New(fail.Usage, c.hint, "%s is %s (it holds %s), not a folder for this", c.dir, c.what, c.file)
		}
	}
	inside, err := filepath.Rel(absolute(o.Data), absolute(o.Out))
	if info, statErr := os.Stat(o.Data); err == nil && statErr == nil && info.IsDir() && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return fail.New(fail.Usage, "Name a folder beside it with --out.", "--out %s lies inside the photos' folder %s, where it would be taken for a class", o.Out, o.Data)
	}
	if o.Embedder.Network.Backbone != "" {
		if b, err := backbones.Lookup(o.Embedder.Network.Backbone); err == nil {
			return linearOnly(b.Name, string(b.Head.Kind))
		}
	}
	return nil
}

// linearOnly refuses heads that L-BFGS has no single optimum for.
func linearOnly(name, kind string) error {
	if kind == string(backbones.Linear) {
		return nil
	}
	var names []string
	for _, b := range backbones.All() {
		if b.Head.Kind == backbones.Linear {
			names = append(names, b.Name)
		}
	}
	return fail.New(fail.Usage, "Take one of "+strings.Join(names, ", ")+"; or train its head by SGD with `fx extract` and `fx fit-head`.",
		"quickstart chooses the settings of linear heads, and the head of %s is a convolution", name)
}

// quickstartSplits are the names of the splits in use.
type quickstartSplits struct {
	train  string
	val    string   // "" where none
	unused []string // there, but neither
}

// quickstartSplitsOf gives the splits their parts by name.
func quickstartSplitsOf(have []string, data string) (quickstartSplits, error) {
	s := quickstartSplits{train: have[0]}
	if len(have) == 1 {
		return s, nil
	}
	named := func(names ...string) (string, bool) {
		for _, name := range names {
			for _, split := range have {
				if strings.EqualFold(split, name) {
					return split, true
				}
			}
		}
		return "", false
	}
	var ok bool
	if s.train, ok = named("train", "training"); !ok {
		return s, fail.New(fail.Usage, "Call the folder to learn from train and the one to judge by val; without val fx judges by cross-validation.",
			"%s has %s: which is to learn from?", data, quoted(have))
	}
	s.val, _ = named("val", "valid", "validation", "test", "testing", "eval")
	for _, split := range have {
		if split != s.train && split != s.val {
			s.unused = append(s.unused, split)
		}
	}
	return s, nil
}

// enoughPhotos refuses classes that nothing can be learned of.
func enoughPhotos(photos *dataset.Dataset, splits quickstartSplits) error {
	counts := make([]int, len(photos.Classes))
	for _, item := range photos.Items {
		if item.Split == splits.train {
			counts[item.Label]++
		}
	}
	return enough(photos.Classes, counts, splits.train, "photo")
}

func enough(classes []string, counts []int, split, what string) error {
	for i, class := range classes {
		if counts[i] >= 2 {
			continue
		}
		if split != "" {
			class = split + "/" + class
		}
		return fail.New(fail.Usage, "Two are the least, twenty or more are better; or take the folder away.",
			"the class %s has %s to learn from", class, plural(counts[i], what))
	}
	return nil
}

// quickstart is one Quickstart under way.
type quickstart struct {
	options QuickstartOptions
	splits  quickstartSplits
	watch   progress.Reporter
	summary QuickstartSummary

	weights  string // of the network, for the export
	features *store.Store
	train    head.Data
	val      head.Data // to judge by; without what is in train too
}

// extract brings the features to what the photos are now.
func (q *quickstart) extract(ctx context.Context) error {
	o, s := q.options, &q.summary
	candidates := quickstartBackbones
	if earlier, err := store.ReadManifest(s.Files.Features); err == nil && o.Embedder.Network.Backbone == "" {
		// Go on with the network that the features are of, whatever can be had now.
		candidates = []string{earlier.Backbone}
		if earlier.Made.BackboneFile != "" {
			candidates[0] = earlier.Made.BackboneFile
		}
		if o.Embedder.Network.Weights == "" && strings.HasPrefix(earlier.Weights, "seed:") {
			o.Embedder.Network.Weights = earlier.Weights
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
	s.Backbone, s.Weights, s.WeightsOrigin, s.Notes = opened.Backbone.Name, opened.Weights, opened.WeightsOrigin, append(s.Notes, notes...)
	o.Embedder.Network, q.weights = network, network.Weights
	s.Extract, err = extract.Run(ctx, extract.Options{
		Embedder: o.Embedder, Data: o.Data, Extensions: o.Extensions, Store: s.Files.Features, Decoder: o.Decoder, EXIF: "apply", FxVersion: o.FxVersion,
	}, q.watch)
	if err != nil && fail.KindOf(err) == fail.Usage {
		return fail.Wrap(fail.Usage, err, "Name another folder with --out, or remove "+s.Files.Features+".", "the features of an earlier run")
	}
	return err
}

// finish makes of the features whatever is not there yet.
func (q *quickstart) finish(ctx context.Context) (QuickstartSummary, error) {
	s := &q.summary
	if _, err := store.Verify(ctx, s.Files.Features, q.watch); err != nil { // nothing is trained on unread checksums
		return *s, err
	}
	var err error
	if q.features, err = store.Open(s.Files.Features); err != nil {
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
		*s = earlier
		return *s, s.save()
	}
	// From here on the summary and what it speaks of may not fit each other.
	if err := os.Remove(s.Files.JSON); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return *s, fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.", "replace %s", s.Files.JSON)
	}
	if err := q.fit(ctx); err != nil {
		return *s, err
	}
	if err := q.picture(); err != nil {
		return *s, err
	}
	exported, err := Export(ctx, Options{
		Model: s.Files.Model, Embedder: extract.EmbedderOptions{Network: extract.NetworkOptions{Weights: q.weights}},
	}, s.Files.Classifier, true, q.watch)
	if err != nil {
		return *s, err
	}
	s.ClassifierBytes = exported.Bytes
	return *s, s.save()
}

// inputs identifies all that the result depends on but the features'
// embeddings, which are a function of it.
func (q *quickstart) inputs() (string, error) {
	m := q.features.Manifest
	m.Made = store.Provenance{}
	h := sha256.New()
	encoder := json.NewEncoder(h)
	err := encoder.Encode(struct {
		Version  int
		FX       string
		Manifest store.Manifest
		Splits   []string
		Folds    int
		Seed     uint64
		Rejected []extract.BadPhoto
		Notes    []string
	}{QuickstartVersion, q.options.FxVersion, m, []string{q.splits.train, q.splits.val}, q.options.Folds, q.options.Seed, q.summary.Extract.Rejected, q.summary.Notes})
	for _, r := range q.features.Rows() {
		if err == nil {
			err = encoder.Encode([]any{r.Path, hex.EncodeToString(r.SHA256[:]), r.Split, r.Class, r.View})
		}
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// choosePhotos divides the features' photos into those to learn from and those
// to judge by, and finds what is there twice.
func (q *quickstart) choosePhotos() error {
	s, rows := &q.summary, q.features.Rows()
	var err error
	if q.train, err = dataOf(q.features, q.splits.train); err != nil {
		return err
	}
	classes := q.features.Manifest.Classes
	counts, unseen := make([]int, len(classes)), make([]int, len(classes))
	seen := map[store.SHA256]bool{}
	for _, photo := range q.train.Photos {
		row := rows[photo.Rows[0]]
		counts[photo.Label]++
		if !seen[row.SHA256] {
			unseen[photo.Label]++
		}
		seen[row.SHA256] = true
	}
	if err := enough(classes, unseen, q.splits.train, "usable photo"); err != nil {
		return err
	}
	val := head.Data{}
	if q.splits.val != "" {
		if val, err = dataOf(q.features, q.splits.val); err != nil {
			return err
		}
	}
	q.val, s.Leaked = head.Data{Row: val.Row}, 0
	judged := make([]int, len(classes))
	for _, photo := range val.Photos {
		if seen[rows[photo.Rows[0]].SHA256] {
			s.Leaked++
			continue
		}
		q.val.Photos = append(q.val.Photos, photo)
		judged[photo.Label]++
	}
	for i, name := range classes {
		s.Classes = append(s.Classes, QuickstartClass{Name: name, Train: counts[i], Val: judged[i]})
	}
	s.Twins = twins(rows)
	for _, split := range q.splits.unused {
		s.Notes = append(s.Notes, fmt.Sprintf("the photos in %s/ were not used: fx learns from %s/ and judges by %s/", split, q.splits.train, q.splits.val))
	}
	return nil
}

// twins finds files of the same content that lie in two classes: one of the labels is wrong.
func twins(rows []store.Row) []Twin {
	found := []Twin{}
	first := map[store.SHA256]int{}
	for i := range rows {
		at, known := first[rows[i].SHA256]
		if !known {
			first[rows[i].SHA256] = i
		} else if rows[at].Class != rows[i].Class {
			found = append(found, Twin{Paths: [2]string{rows[at].Path, rows[i].Path}, Classes: [2]string{rows[at].Class, rows[i].Class}})
		}
	}
	return found
}

// fit chooses the penalty, trains the head and judges it.
func (q *quickstart) fit(ctx context.Context) error {
	s, m := &q.summary, q.features.Manifest
	described, layout, err := headOf(m)
	if err != nil {
		return err
	}
	if err := linearOnly(m.Backbone, described.Kind); err != nil {
		return err
	}
	found, err := head.CrossValidate(ctx, layout, q.train, head.CrossValidationOptions{
		Folds: q.options.Folds, Seed: q.options.Seed, Groups: copiesOf(q.features, q.train),
	}, q.watch)
	if err != nil {
		return err
	}
	s.CrossValidation, s.L2 = found, found.L2()
	fit := FitOptions{
		Features: s.Files.Features, Out: s.Files.Model, Versions: map[string]string{"fx": q.options.FxVersion},
		Head: head.Options{Solver: head.LBFGS, Seed: q.options.Seed, L2: found.L2()},
	}
	trained, err := head.Fit(ctx, layout, q.train, q.val, fit.Head, nil)
	if err != nil {
		return err
	}
	probabilities, err := head.Probabilities(ctx, layout, trained.Params, q.val)
	if err != nil {
		return err
	}
	model := newModel(m, described, fit, slices.Clone(s.Notes))
	model.Metrics = newMetrics(trained, q.train, fit)
	model.Metrics.TrainSplit, model.Metrics.ValSplit, model.Metrics.ValPhotos = q.splits.train, q.splits.val, len(q.val.Photos)
	if len(q.val.Photos) > 0 {
		metrics, err := head.Evaluate(ctx, layout, trained.Params, q.val)
		if err != nil {
			return err
		}
		s.Judged = newJudgement(metrics, m.Classes)
		s.Judged.Split = q.splits.val
	} else {
		s.Judged = newJudgement(found.Metrics, m.Classes)
		s.Judged.Folds = found.Folds
		judgedByFolds(&model.Metrics, found)
	}
	if err := q.labels(found.Probabilities, probabilities); err != nil {
		return err
	}
	return modeldir.Save(s.Files.Model, model, modeldir.Params(trained.Params))
}

// judgedByFolds replaces the iterations of a fit that no photo judged by their
// end, judged by cross-validation.
func judgedByFolds(m *modeldir.Metrics, c head.CrossValidation) {
	last := m.Epochs[len(m.Epochs)-1]
	m.Epochs = []modeldir.Epoch{{
		Epoch: 1, TrainLoss: last.TrainLoss, TrainAccuracy: last.TrainAccuracy, ValLoss: c.Metrics.Loss, ValAccuracy: c.Metrics.Accuracy,
	}}
	m.BestEpoch, m.BestValAccuracy, m.ValPhotos, m.Folds = 1, c.Metrics.Accuracy, m.TrainPhotos, c.Folds
	m.ValSplit = fmt.Sprintf("cross-validation in %d folds", c.Folds)
}

// labels lists the photos whose labels look wrong, among those to learn from
// and those to judge by: of both there are probabilities by heads that had not
// seen them.
func (q *quickstart) labels(train, val [][]float64) error {
	var labels []int
	for _, photo := range slices.Concat(q.train.Photos, q.val.Photos) {
		labels = append(labels, photo.Label)
	}
	issues, err := head.LabelIssues(slices.Concat(train, val), labels)
	if err != nil {
		return err
	}
	paths, classes := append(pathsOf(q.features, q.train), pathsOf(q.features, q.val)...), q.features.Manifest.Classes
	s := &q.summary
	s.Mislabelled, s.MislabelledInAll = []Mislabelled{}, len(issues)
	for _, issue := range issues[:min(len(issues), maxMislabelled)] {
		s.Mislabelled = append(s.Mislabelled, Mislabelled{
			Path: paths[issue.Photo], Class: classes[issue.Label], Suggested: classes[issue.Suggested],
			Probability: issue.Likely, ProbabilityOfClass: issue.Given,
		})
	}
	return nil
}

// picture draws the confusion matrix.
func (q *quickstart) picture() error {
	s := &q.summary
	title := report.Report{
		Title: "fx quickstart: " + s.Backbone, Subtitle: strings.Join(s.Notes, "; "), // such as weights that are not trained: never shown without
		Confusion: s.Judged.Confusion, Classes: q.features.Manifest.Classes, Photos: "photos it had not seen",
	}
	return report.Confusion(s.Files.Picture, title)
}
