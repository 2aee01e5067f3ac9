package finetune

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	"fx/internal/metrics"
	"fx/internal/ort"
	"fx/internal/preprocess"
	"fx/internal/training"
	"fx/internal/trainlog"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// recordName is the file of a RUN with its settings and its status.
const recordName = "run.json"

// recordVersion is the version of run.json that this package writes and reads.
// Version 1 did not name the feature tensor.
const recordVersion = 2

// Values of a record's Status.
const (
	running  = "training"
	finished = "finished"
)

// record is the content of run.json.
type record struct {
	FormatVersion int                   `json:"format_version"`
	ID            string                `json:"id"`
	Status        string                `json:"status"`           // training or finished
	Started       time.Time             `json:"started,omitzero"` // zero in runs of an older fx, until they are resumed
	Settings      settings              `json:"settings"`
	Weights       weights.Ref           `json:"weights"` // that the run started from
	Data          string                `json:"data"`
	Classes       []string              `json:"classes"`
	Parameters    []artifacts.Parameter `json:"parameters"` // that are trained
	Rejected      []extract.BadPhoto    `json:"rejected"`
	Versions      map[string]string     `json:"versions"`
	Session       map[string]string     `json:"session"` // ONNX Runtime's options and the device
	Notes         []string              `json:"notes"`
	Result        *Result               `json:"result,omitempty"`
}

// settings are everything that a run's numbers depend on: a resumed run must have
// the same. In JSON they are one object.
type settings struct {
	training.Settings `json:"-"` // resolved
	conditions
}

// conditions are what the numbers depend on besides training.Settings.
type conditions struct {
	Backbone      string          `json:"backbone"`
	FeatureTensor string          `json:"feature-tensor"`
	Weights       string          `json:"weights (SHA-256)"`
	Preprocess    preprocess.Spec `json:"preprocessing"`
	Decoder       string          `json:"decoder"`
	Data          string          `json:"data (names and sizes of the photos)"`
	Classes       string          `json:"classes"`
	Extensions    string          `json:"extensions,omitempty"` // besides torchvision's, separated by commas
	NoFollowLinks bool            `json:"no-follow-links,omitempty"`
	Provider      string          `json:"device"`
	Threads       int             `json:"threads"`
	Runtime       string          `json:"ONNX Runtime"`
	TF32          string          `json:"TensorFloat-32"` // "" on the CPU, which has none
}

func (r *run) settings() settings {
	s := r.options.Settings
	s.TrainSplit, s.ValSplit = r.photos.splits.Train, r.photos.splits.Val
	return settings{s, conditions{
		Backbone: r.opened.Backbone.Name, FeatureTensor: r.opened.Backbone.FeatureTensor,
		Weights: r.opened.WeightsSHA256, Preprocess: r.network.Preprocess,
		Decoder: r.photos.decoder.Name(), Data: r.fingerprint, Classes: strings.Join(r.photos.Classes, ","),
		Extensions: strings.Join(r.options.Photos.Extensions, ","), NoFollowLinks: r.options.Photos.NoFollowLinks,
		TF32: r.tf32, Provider: r.provider, Threads: r.threads, Runtime: r.runtime.Library().Version,
	}}
}

// MarshalJSON writes settings and conditions as one object.
func (s settings) MarshalJSON() ([]byte, error) {
	all := s.Record()
	maps.Copy(all, plain(s.conditions))
	return json.Marshal(all)
}

// UnmarshalJSON reads that object. A setting that an older fx did not have gets its default.
func (s *settings) UnmarshalJSON(text []byte) error {
	s.Settings = training.Defaults()
	if err := json.Unmarshal(text, &s.conditions); err != nil {
		return err
	}
	return json.Unmarshal(text, &s.Settings)
}

// tf32 returns which float32 products may be rounded to TensorFloat-32 (10 bits).
// ONNX Runtime has one switch for all of them. PyTorch allows it for convolutions
// but not for matrix products; fx's gradients of convolutions are matrix products,
// so its default is on.
func tf32(s *ort.Session) string {
	switch s.ProviderOptions()["cuda.use_tf32"] {
	case "1":
		return "convolutions and matrix products"
	case "0":
		return "off"
	}
	return ""
}

// id returns a hash of the settings, which identifies the run.
func (s settings) id() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // our own plain struct
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// fields returns the settings by their JSON names.
func (s settings) fields() map[string]any { return plain(s) }

// plain returns a struct as a JSON object.
func plain(v any) (all map[string]any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err) // our own plain values
	}
	return all
}

// flags returns the settings that the user chooses: numbers, booleans and text.
func (s settings) flags() map[string]any {
	all, _ := training.NetworkRecord(s.fields(), "").Read()
	for name, value := range all {
		switch value.(type) {
		case float64, bool, string:
			if !strings.Contains(name, " ") && value != "" {
				continue
			}
		}
		delete(all, name) // hashes, versions, preprocessing
	}
	for _, name := range []string{"classes", "feature-tensor", "decoder"} {
		delete(all, name)
	}
	return all
}

// diff lists the differences between two runs' settings, by the names of the flags.
// Flags that choose photos are ignored if they choose the same ones.
func (s settings) diff(now settings) []string {
	if s.Data == now.Data {
		now.Extensions, now.NoFollowLinks = s.Extensions, s.NoFollowLinks
	}
	for _, of := range []*settings{&s, &now} { // an older fx did not resolve them
		of.Settings = of.Resolved(training.Finetune)
	}
	before, after := s.fields(), now.fields()
	before["preprocessing"], after["preprocessing"] = s.Preprocess.String(), now.Preprocess.String()
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

// readRecord reads run.json. found is false if there is none.
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
		return rec, false, fail.New(fail.Model, "Use the fx that wrote it.",
			"%s has format version %d; this fx reads version %d", path, rec.FormatVersion, recordVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return rec, false, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	return rec, true, nil
}

// Status reports whether dir contains a RUN that can be resumed (begun) or that is finished. Both
// are false for a damaged record. The error is of kind fail.System: the record could not be read.
func Status(dir string) (begun, finished bool, err error) {
	rec, found, err := readRecord(dir)
	if fail.BySystem(err) {
		return false, false, err
	}
	usable := err == nil && found
	return usable && rec.Result == nil, usable && rec.Result != nil, nil
}

// earlier reads the record of the run to resume. found is false if there is none.
func (o Options) earlier() (rec record, found bool, err error) {
	rec, found, err = readRecord(o.Out)
	if err != nil {
		return rec, found, err
	}
	if found && !o.Resume {
		return rec, found, fail.New(fail.Usage,
			"Give --resume to continue it, or another --out; --force replaces no run.",
			"%s contains a run already", o.Out)
	}
	if found {
		return rec, found, nil
	}
	if exists(filepath.Join(o.Out, checkpointDir, lastName)) {
		return rec, found, fail.New(fail.Usage, "Choose another --out.", "%s contains a checkpoint but no %s", o.Out,
			recordName)
	}
	return rec, found, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// checkUnchanged returns an error if the settings differ from those of the run to resume.
func (r *run) checkUnchanged(earlier record) error {
	if differ := earlier.Settings.diff(r.settings()); len(differ) > 0 {
		return fail.New(fail.Usage, "Give the flags that the run began with, or another --out.",
			"%s can't be resumed with other settings: %s", r.options.Out, strings.Join(differ, "; "))
	}
	return nil
}

// write writes run.json, metrics.csv and TensorBoard's events.
func (r *run) write(epochs []metrics.Epoch) error {
	text, err := checksum.Marshal(r.record)
	if err == nil {
		err = durable.WriteBytes(filepath.Join(r.options.Out, recordName), text)
	}
	if err == nil {
		err = trainlog.Write(r.options.Out, r.log(epochs))
	}
	return fail.Wrap(fail.Usage, err, otherFolder, "run %s", r.options.Out)
}

// log returns the run in trainlog's form.
func (r *run) log(epochs []metrics.Epoch) trainlog.Log {
	return trainlog.Log{Start: r.record.Started, Settings: r.record.Settings.flags(),
		Finished: r.record.Status == finished, Epochs: epochs}
}
