package modeldir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/preprocess"
	"fx/internal/training"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// The versions of model.json that this package writes and reads. An fx that knows FormatVersion alone would crop the
// photos of a network that squashes them.
const (
	FormatVersion = 1
	squashVersion = 2 // with a mode of preprocessing
)

// Names of the files in a MODEL.
const (
	modelFile = "model.json"
	headFile  = "head.safetensors"
	runFile   = "run.json" // of `fx finetune`, whose run becomes a MODEL at its end
)

// Backbone identifies the network that computed the head's features.
type Backbone struct {
	Name string `json:"name"` // a registered name, or the file name of a user's ONNX file
	// File is a user's ONNX file; in model.json relative to the folder if the folder contains it.
	File          string      `json:"file,omitempty"`
	FeatureTensor string      `json:"feature_tensor,omitempty"`
	Weights       weights.Ref `json:"weights"`        // a file is relative likewise; File itself if it has the weights
	WeightsOrigin string      `json:"weights_origin"` // where the file was found
	GraphSHA256   string      `json:"graph_sha256"`
	WeightsSHA256 string      `json:"weights_sha256"`
}

// Training modes, as in Model.Mode: those of PyTorch's tutorial.
const (
	FeatureExtraction = "feature-extraction" // the classifier alone, on a pretrained network
	Finetune          = "finetune"           // more than the classifier, from pretrained weights
	Scratch           = "scratch"            // from random weights
)

// Head describes the classifier.
type Head struct {
	headspec.Layout        // Load counts Classes
	WeightName      string `json:"weight_name"`
	BiasName        string `json:"bias_name"`
	FeatureShape    []int  `json:"feature_shape"`
}

// Metrics are the results of the training.
type Metrics struct {
	BestValAccuracy float64         `json:"best_val_accuracy"`
	BestEpoch       int             `json:"best_epoch"`
	Epochs          []metrics.Epoch `json:"epochs"`  // without rates and times
	Seconds         float64         `json:"seconds"` // of the training alone
	// ImagesPerSecond counts training photos, or rows of features, per second of training.
	ImagesPerSecond   float64 `json:"images_per_second,omitempty"`
	ParametersTrained int     `json:"parameters_trained"`
	TrainSplit        string  `json:"train_split"`
	ValSplit          string  `json:"val_split"`
	TrainPhotos       int     `json:"train_photos"`
	ValPhotos         int     `json:"val_photos"`
	// ValFraction, if above 0, is the share of TrainSplit that was held out for evaluation, drawn by SplitSeed,
	// because there was no val split.
	ValFraction float64 `json:"val_fraction,omitempty"`
	SplitSeed   uint64  `json:"split_seed,omitempty"`
	// CopiesTogether: all copies of a photo are on the same side of ValFraction. It is false in MODELs of an older fx,
	// which drew each photo.
	CopiesTogether bool `json:"copies_together,omitempty"`
	// Folds, if above 0, is the number of folds of a cross-validation, drawn by SplitSeed: no photo was held out, and
	// ValLoss and ValAccuracy are those of TrainSplit's photos, each evaluated by a head that was not trained on it.
	Folds int `json:"folds,omitempty"`
	// LearnedFrom holds the first 8 bytes of the SHA-256 of each training photo, sorted; nil in MODELs
	// of finetuning, of an older fx, and of very many photos.
	LearnedFrom []byte `json:"learned_from,omitempty"`
	// PhotosSHA256 is the hash of the photos of TrainSplit and ValSplit in the store, with their splits and classes;
	// "" in MODELs of finetuning and of an older fx.
	PhotosSHA256 string `json:"photos_sha256,omitempty"`
}

// Model is the content of model.json.
type Model struct {
	FormatVersion int             `json:"format_version"`
	Backbone      Backbone        `json:"backbone"`
	Preprocess    preprocess.Spec `json:"preprocess"`
	EXIF          string          `json:"exif"`                  // "ignore" or "apply"
	FastDecode    bool            `json:"fast_decode,omitempty"` // as in store.Manifest
	// Mode is FeatureExtraction, Finetune or Scratch; "" in models of an older fx.
	Mode       string   `json:"mode,omitempty"`
	Seed       uint64   `json:"seed"` // of the training
	Head       Head     `json:"head"`
	HeadSHA256 string   `json:"head_sha256"` // of head.safetensors, set by Save
	Classes    []string `json:"classes"`
	Features   string   `json:"features"` // the store that the head was trained on
	// Data is the absolute path of the photos' folder or list; "" in models of an older fx.
	Data string `json:"data,omitempty"`
	// Extensions of photos, in addition to torchvision's.
	Extensions    []string          `json:"extensions,omitempty"`
	NoFollowLinks bool              `json:"no_follow_links,omitempty"` // photos behind links were left out
	Options       training.Record   `json:"options"`
	Versions      map[string]string `json:"versions"`
	Notes         []string          `json:"notes,omitempty"`
	// Untrained is the note that the weights were random; "" if they were not.
	Untrained string  `json:"untrained"`
	Metrics   Metrics `json:"metrics"`
}

// Root returns the path of the model.json of the MODEL in dir, which has the hashes of the other files.
func Root(dir string) string { return filepath.Join(dir, modelFile) }

// SHA256 returns the hash of the model.json of the MODEL in dir, or "" if there is none.
func SHA256(dir string) string {
	text, err := durable.ReadFile(Root(dir))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Is reports whether dir is the folder of a MODEL. If the system fails to tell, it returns true, and Load returns the
// error.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, modelFile))
	return err == nil || fail.BySystem(err)
}

// Save writes the MODEL folder dir. An earlier MODEL there is replaced in one
// step: an error or a kill at any moment leaves one of the two, whole, and no
// reader sees a mixture. Other files of the folder stay. Errors: fail.Usage
// where dir can't be a MODEL, fail.Locked where another process writes it.
func Save(dir string, m Model, p headspec.Params) error { return SaveWith(dir, m, p, nil) }

// SaveWith is Save where more files belong to the MODEL, such as its log: with
// replaces them in the same step.
func SaveWith(dir string, m Model, p headspec.Params, with func(*durable.Replacement) error) error {
	m.FormatVersion = FormatVersion
	if m.Preprocess.Mode != preprocess.Crop {
		m.FormatVersion = squashVersion
	}
	m.Head.Classes = len(m.Classes)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.", "model folder %s", dir)
	}
	r, err := durable.Replace(dir, modelFile)
	switch {
	case errors.Is(err, durable.ErrLocked):
		return fail.Wrap(fail.Locked, err, "Wait until it has ended, or choose another --out.",
			"the model %s is being written", dir)
	case err != nil:
		return fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out, on a disk that has locks.",
			"model folder %s", dir)
	}
	defer r.Close()
	if err := m.replace(r, p, with); err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "write the model %s", dir)
	}
	return nil
}

// replace puts the MODEL in the place of the one before.
func (m Model) replace(r *durable.Replacement, p headspec.Params, with func(*durable.Replacement) error) error {
	if m.Head.BiasName == "" { // the network's own classifier has none
		m.Head.BiasName = strings.TrimSuffix(strings.TrimSuffix(m.Head.WeightName, "weight"), ".") + ".bias"
	}
	sd := weights.NewStateDict()
	sd.Set(m.Head.WeightName, weights.FromFloat32(m.Head.WeightShape(), p.Weight))
	sd.Set(m.Head.BiasName, weights.FromFloat32([]int{len(m.Classes)}, p.Bias))
	err := r.Write(headFile, func(path string) (err error) {
		m.HeadSHA256, err = weights.WriteSafetensorsSum(path, sd)
		return err
	})
	if err != nil {
		return err
	}
	if with != nil {
		if err := with(r); err != nil {
			return err
		}
	}
	text, err := checksum.Marshal(m)
	if err != nil {
		return err
	}
	return r.Commit(text)
}

// retrain is the hint for a MODEL that can't be used.
const retrain = "Train it again with `fx fit-head` or `fx finetune`."

// Load reads the MODEL folder dir. Its errors are of kind fail.Model, or
// fail.Usage where dir is no MODEL at all.
func Load(dir string) (Model, headspec.Params, error) {
	var m Model
	var p headspec.Params
	decoding := false
	err := durable.ReadTogether(dir, modelFile, userfile.ReadJSON,
		func(text []byte, path func(string) string) (err error) {
			decoding = true
			if m, err = decode(filepath.Join(dir, modelFile), text); err == nil {
				p, err = m.loadHead(path(headFile))
			}
			return err
		})
	if err != nil && !decoding {
		err = noModel(dir, err)
	}
	for _, path := range []*string{&m.Backbone.File, &m.Backbone.Weights.File} {
		if p := *path; p != "" && !filepath.IsAbs(p) {
			*path = filepath.Join(dir, filepath.FromSlash(p)) // a trained backbone moves with its model
		}
	}
	return m, p, err
}

// Complete gives the files of the MODEL in dir their names, where the system failed
// after its model.json was replaced and they still wait for them.
func Complete(dir string) error {
	waits, err := durable.Waits(dir)
	if err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "complete the model %s", dir)
	}
	if !waits {
		return nil
	}
	r, err := durable.Replace(dir, modelFile)
	if errors.Is(err, durable.ErrLocked) {
		return nil // whoever writes it does so
	}
	if err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "complete the model %s", dir)
	}
	r.Close()
	return nil
}

// noModel says why the model.json of dir can't be read.
func noModel(dir string, err error) error {
	if errors.Is(err, userfile.ErrTooLarge) {
		return fail.Wrap(fail.Model, err, retrain, "%s is damaged", filepath.Join(dir, modelFile))
	}
	if unfinished := Unfinished(dir); unfinished != nil {
		return unfinished
	}
	hint := "A model is a folder that `fx fit-head`, `fx finetune` or `fx quickstart` wrote."
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.ENOTDIR) {
		return fail.Wrap(fail.Usage, err, hint, "model %s", dir)
	}
	// as of quickstart and demo
	for _, inside := range []string{filepath.Join(dir, "model"), filepath.Join(filepath.Dir(dir), "model")} {
		if Is(inside) {
			hint = fmt.Sprintf("Did you mean %s?", inside)
			break
		}
	}
	return fail.New(fail.Usage, hint, "%s is no model: it has no %s", dir, modelFile)
}

// Unfinished returns the error, of kind fail.Usage, that dir is a run of `fx finetune` which has
// not left a MODEL yet; nil where it is not.
func Unfinished(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, runFile)); err != nil || Is(dir) {
		return nil
	}
	return fail.New(fail.Usage, fmt.Sprintf("Finish it: `fx finetune … --out %s --resume`.", dir),
		"the run %s is not finished: it has no %s", dir, modelFile)
}

// decode returns the content of the model.json at path.
func decode(path string, text []byte) (m Model, err error) {
	var version struct {
		FormatVersion int     `json:"format_version"`
		Untrained     *string `json:"untrained"` // nil in a file of an older fx
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return m, fail.Wrap(fail.Model, err, retrain, "%s is damaged", path)
	}
	if version.FormatVersion != FormatVersion && version.FormatVersion != squashVersion {
		return m, fail.New(fail.Model, "Use the fx that wrote it, or train it again with this one.",
			"%s has format version %d; this fx reads versions %d and %d", path, version.FormatVersion, FormatVersion,
			squashVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return m, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fail.Wrap(fail.Model, err, retrain, "%s is damaged", path)
	}
	if version.Untrained == nil {
		m.Untrained = weights.OlderUntrained(m.Notes)
	}
	m.Head.Classes = len(m.Classes)
	if err := m.check(); err != nil {
		return m, fail.Wrap(fail.Model, err, retrain, "%s is damaged", path)
	}
	return m, nil
}

func (m Model) check() error {
	if len(m.Classes) < 2 {
		return fmt.Errorf("%d classes", len(m.Classes))
	}
	if m.Head.Features < 1 || m.Head.Positions < 1 {
		return fmt.Errorf("a head of %d features at %d positions", m.Head.Features, m.Head.Positions)
	}
	if m.Head.Kind != headspec.Linear && m.Head.Kind != headspec.Conv1x1 {
		return fmt.Errorf("a head of kind %q", m.Head.Kind)
	}
	return m.Preprocess.Check()
}

func (m Model) loadHead(path string) (headspec.Params, error) {
	sd, info, err := weights.Read(path)
	if err != nil {
		return headspec.Params{}, fail.Wrap(fail.Model, err, retrain, "the head's weights")
	}
	if m.HeadSHA256 != "" && info.SHA256 != m.HeadSHA256 {
		return headspec.Params{}, fail.New(fail.Model, retrain,
			"%s is not the file that model.json was written with: it changed or belongs to another model", path)
	}
	read := func(name string, length int) ([]float32, error) {
		tensor, ok := sd.Get(name)
		if !ok {
			return nil, fail.New(fail.Model, retrain, "%s has no tensor %q", path, name)
		}
		values, err := tensor.Float32s()
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, retrain, "%s: tensor %q", path, name)
		}
		if len(values) != length {
			return nil, fail.New(fail.Model, retrain, "%s: tensor %q has %d values, model.json needs %d", path, name,
				len(values), length)
		}
		return values, nil
	}
	var p headspec.Params
	if p.Weight, err = read(m.Head.WeightName, len(m.Classes)*m.Head.Features); err != nil {
		return headspec.Params{}, err
	}
	p.Bias, err = read(m.Head.BiasName, len(m.Classes))
	return p, err
}
