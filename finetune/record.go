package finetune

import (
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
	"time"

	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/preprocess"
	"fx/internal/trainlog"
	"fx/internal/userfile"
)

// recordName is the file of a RUN that says how it is made and where it stands.
const recordName = "run.json"

// recordVersion is the version of run.json that this package writes and reads.
// Version 1 did not name the feature tensor.
const recordVersion = 2

// What a record's Status is.
const (
	training = "training"
	finished = "finished"
)

// record is the content of run.json.
type record struct {
	FormatVersion int                   `json:"format_version"`
	ID            string                `json:"id"`
	Status        string                `json:"status"`           // training or finished
	Started       time.Time             `json:"started,omitzero"` // zero in runs of an older fx, until they go on
	Settings      settings              `json:"settings"`
	Weights       string                `json:"weights"` // where the run started from: a path, "seed:N" or what --scratch drew
	Data          string                `json:"data"`
	Classes       []string              `json:"classes"`
	Parameters    []artifacts.Parameter `json:"parameters"` // that learn
	Rejected      []extract.BadPhoto    `json:"rejected"`
	Versions      map[string]string     `json:"versions"`
	Session       map[string]string     `json:"session"` // options that ONNX Runtime ran with, and which device
	Notes         []string              `json:"notes"`
	Result        *Result               `json:"result,omitempty"`
}

// settings are what a run's numbers depend on: a resumed run must have the
// same. The names are those of the flags, as far as there are any.
type settings struct {
	Backbone       string          `json:"backbone"`
	FeatureTensor  string          `json:"feature-tensor"`
	Weights        string          `json:"weights (SHA-256)"`
	Preprocess     preprocess.Spec `json:"preprocessing"`
	EXIF           string          `json:"exif"`
	Decoder        string          `json:"decoder"`
	Data           string          `json:"data (names and sizes of the photos)"`
	Classes        string          `json:"classes"`
	Extensions     string          `json:"extensions,omitempty"` // that were taken besides torchvision's, with commas
	NoFollowLinks  bool            `json:"no-follow-links,omitempty"`
	TrainSplit     string          `json:"train-split"`
	ValSplit       string          `json:"val-split"`
	Trainable      []string        `json:"trainable"`
	HeadOnly       bool            `json:"head-only"`
	Scratch        bool            `json:"scratch"`
	Epochs         int             `json:"epochs"`
	BatchSize      int             `json:"batch-size"`
	Accumulate     int             `json:"accumulate"`
	LR             float64         `json:"lr"`
	Optimizer      string          `json:"optimizer"`
	Momentum       float64         `json:"momentum"`
	Nesterov       bool            `json:"nesterov"`
	WeightDecay    float64         `json:"weight-decay"`
	Schedule       string          `json:"schedule"`
	StepEpochs     int             `json:"step-epochs"`
	WarmupEpochs   float64         `json:"warmup-epochs"`
	LabelSmoothing float64         `json:"label-smoothing"`
	ClassWeights   string          `json:"class-weights"`
	ClipGradNorm   float64         `json:"clip-grad-norm"`
	EMA            float64         `json:"ema"`
	HeadMultiplier float64         `json:"head-lr-multiplier"`
	FrozenBN       bool            `json:"frozen-bn"`
	Precision      string          `json:"precision"`
	Seed           uint64          `json:"seed"`
	Provider       string          `json:"device"`
	Threads        int             `json:"threads"`
	Runtime        string          `json:"ONNX Runtime"`
	TF32           string          `json:"TensorFloat-32"` // "" on the CPU, which has none
}

func (r *run) settings() settings {
	o := r.options
	def := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	return settings{
		Backbone: r.opened.Backbone.Name, FeatureTensor: r.opened.Backbone.FeatureTensor, Weights: r.opened.WeightsSHA256, Preprocess: r.network.Preprocess,
		EXIF: def(o.EXIF, "ignore"), Decoder: r.photos.decoder.Name(),
		Data: r.fingerprint, Classes: strings.Join(r.photos.Classes, ","), Extensions: strings.Join(o.Extensions, ","), NoFollowLinks: o.NoFollowLinks,
		TrainSplit: r.photos.splits.Train, ValSplit: r.photos.splits.Val,
		Trainable: o.Trainable, HeadOnly: o.HeadOnly, Scratch: o.Scratch,
		Epochs: o.Epochs, BatchSize: o.BatchSize, Accumulate: r.plan.accumulate, LR: o.LR,
		Optimizer: o.Optimizer.Name, Momentum: o.Optimizer.Momentum, Nesterov: o.Optimizer.Nesterov, WeightDecay: o.Optimizer.WeightDecay,
		Schedule: def(o.Schedule, constantSchedule), StepEpochs: o.StepEpochs, WarmupEpochs: o.WarmupEpochs,
		LabelSmoothing: o.LabelSmoothing, ClassWeights: def(o.ClassWeights, "none"), ClipGradNorm: o.ClipGradNorm, EMA: o.EMA,
		HeadMultiplier: o.HeadMultiplier, FrozenBN: o.FrozenBN, Precision: def(o.Precision, artifacts.Float32), Seed: o.Seed,
		TF32: r.tf32, Provider: r.provider, Threads: r.threads, Runtime: r.runtime.Library().Version,
	}
}

// tf32 says whether products of float32 may be rounded to TensorFloat-32, 10 bits.
// ONNX Runtime has one switch for all of them. PyTorch allows it for convolutions
// and not for matrix products; fx's gradients of convolutions are matrix
// products, so its default is on.
func tf32(s *ort.Session) string {
	switch s.ProviderOptions()["cuda.use_tf32"] {
	case "1":
		return "convolutions and matrix products"
	case "0":
		return "off"
	}
	return ""
}

// id names a run by its settings.
func (s settings) id() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // our own plain struct
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// fields are the settings by name, as JSON has them.
func (s settings) fields() (all map[string]any) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err) // our own plain struct
	}
	return all
}

// flags are the settings that the user chooses: numbers, truth values and text.
func (s settings) flags() map[string]any {
	all := s.fields()
	for name, value := range all {
		switch value.(type) {
		case float64, bool, string:
			if !strings.Contains(name, " ") && value != "" {
				continue
			}
		}
		delete(all, name) // hashes, versions, preprocessing
	}
	for _, name := range []string{"classes", "feature-tensor", "decoder", "head-only"} {
		delete(all, name)
	}
	switch {
	case s.HeadOnly:
		all["trainable"] = "head"
	case s.Trainable == nil:
		all["trainable"] = "all"
	default:
		all["trainable"] = strings.Join(s.Trainable, ",")
	}
	return all
}

// diff says in what two runs' settings differ, by the names of the flags. Flags that
// choose photos make no difference where they choose the same ones.
func (s settings) diff(now settings) []string {
	if s.Data == now.Data {
		now.Extensions, now.NoFollowLinks = s.Extensions, s.NoFollowLinks
	}
	before, after := s.fields(), now.fields()
	names := map[string]bool{}
	for name := range before {
		names[name] = true
	}
	for name := range after {
		names[name] = true
	}
	value := func(fields map[string]any, name string) any {
		if v, set := fields[name]; set {
			return v
		}
		return "not set"
	}
	var differ []string
	for name := range names {
		if was, is := value(before, name), value(after, name); fmt.Sprint(is) != fmt.Sprint(was) {
			differ = append(differ, fmt.Sprintf("%s was %v and is %v", name, was, is))
		}
	}
	slices.Sort(differ)
	return differ
}

// readRecord reads run.json. found is false where there is none.
func readRecord(dir string) (rec record, found bool, err error) {
	path := filepath.Join(dir, recordName)
	text, err := userfile.ReadJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return rec, false, nil
	} else if errors.Is(err, userfile.ErrTooLarge) {
		return rec, false, fail.Wrap(fail.Model, err, "Start again with another --out.", "%s is damaged", path)
	} else if err != nil {
		return rec, false, fail.Wrap(fail.Usage, err, "Choose another --out.", "run")
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		return rec, false, fail.Wrap(fail.Model, err, "Start again with another --out.", "%s is damaged", path)
	}
	if rec.FormatVersion != recordVersion {
		return rec, false, fail.New(fail.Model, "Use the fx that wrote it.", "%s has format version %d; this fx reads version %d", path, rec.FormatVersion, recordVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return rec, false, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	return rec, true, nil
}

// Status tells whether dir holds a RUN to go on with, or one that came to its end. A record that
// is damaged is of neither. The error is the system's, which failed to read the record.
func Status(dir string) (begun, finished bool, err error) {
	rec, found, err := readRecord(dir)
	if fail.BySystem(err) {
		return false, false, err
	}
	usable := err == nil && found
	return usable && rec.Result == nil, usable && rec.Result != nil, nil
}

// earlier reads the record of the run to go on with. found is false where there
// is none.
func (o Options) earlier() (rec record, found bool, err error) {
	rec, found, err = readRecord(o.Out)
	if err != nil {
		return rec, found, err
	}
	if found && !o.Resume {
		return rec, found, fail.New(fail.Usage, "Give --resume to go on with it, or another --out.", "%s holds a run already", o.Out)
	}
	if found {
		return rec, found, nil
	}
	if exists(filepath.Join(o.Out, checkpointDir, lastName)) {
		return rec, found, fail.New(fail.Usage, "Choose another --out.", "%s holds a checkpoint, and no %s", o.Out, recordName)
	}
	return rec, found, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unchanged refuses to go on with a run under other settings.
func (r *run) unchanged(earlier record) error {
	if differ := earlier.Settings.diff(r.settings()); len(differ) > 0 {
		return fail.New(fail.Usage, "Give the flags that the run began with, or another --out.",
			"%s can't go on with other settings: %s", r.options.Out, strings.Join(differ, "; "))
	}
	return nil
}

// write writes run.json, and the epochs where people look.
func (r *run) write(epochs []Epoch) error {
	text, err := checksum.Marshal(r.record)
	if err == nil {
		err = durable.WriteBytes(filepath.Join(r.options.Out, recordName), text)
	}
	if err == nil {
		err = trainlog.Write(r.options.Out, r.log(epochs))
	}
	return fail.Wrap(fail.KindOf(err), err, otherFolder, "run %s", r.options.Out)
}

// log is the run as trainlog writes it.
func (r *run) log(epochs []Epoch) trainlog.Log {
	l := trainlog.Log{Start: r.record.Started, Settings: r.record.Settings.flags(), Finished: r.record.Status == finished}
	for _, e := range epochs {
		l.Epochs = append(l.Epochs, trainlog.Epoch(e))
	}
	return l
}
