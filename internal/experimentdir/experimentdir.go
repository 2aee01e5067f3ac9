package experimentdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/userfile"
)

// formatVersion is the version of experiment.json that this package writes and reads.
const formatVersion = 1

// FileName is the file that makes a folder an experiment.
const FileName = "experiment.json"

// States of a Run.
const (
	Pending  = "pending"
	Started  = "started"
	Finished = "finished"
	Failed   = "failed" // Run.Error says why; the experiment tries it again
)

// Experiment is the content of experiment.json.
type Experiment struct {
	FormatVersion int               `json:"format_version"`
	Name          string            `json:"name"`  // short, as in file names
	Title         string            `json:"title"` // for people
	Data          Data              `json:"data"`
	Settings      map[string]any    `json:"settings"` // that all runs share
	Runs          []Run             `json:"runs"`     // in the order of the file: backbones, modes, seeds
	Stores        []Store           `json:"stores"`
	References    []Reference       `json:"references"`
	Versions      map[string]string `json:"versions"`
	Machine       string            `json:"machine"` // processor and number of threads
	Notes         []string          `json:"notes,omitempty"`
}

// Data are the photos.
type Data struct {
	Dir    string `json:"dir"`
	Origin string `json:"origin"` // how the folder was found
	SHA256 string `json:"sha256"` // of all photos' names, classes, splits and contents
}

// Run is one training of the experiment.
type Run struct {
	Name     string `json:"name"` // such as "resnet18-finetune-seed0"
	Backbone string `json:"backbone"`
	Mode     string `json:"mode"` // as of modeldir.Model
	Seed     uint64 `json:"seed"`
	Key      string `json:"key"` // SHA-256 of all that the result depends on
	Dir      string `json:"dir"` // of the MODEL, relative to the experiment's folder
	Status   string `json:"status"`
	Weights  string `json:"weights"` // file name of what the training starts from, or "seed:N"
	// Seeded: the weights of a pretrained mode are random, so results say nothing about the network.
	Seeded  bool    `json:"seeded"`
	Store   string  `json:"store,omitempty"`   // of a feature extraction, relative like Dir
	Seconds float64 `json:"seconds,omitempty"` // from photos to MODEL, what runs share counted in each
	Result  *Result `json:"result,omitempty"`  // of a finished run
	// ModelSHA256 is that of the model.json with which the run was finished, which names all
	// else by its hash; "" in experiments of an older fx. It stays while another MODEL lies
	// in the run's folder.
	ModelSHA256 string `json:"model_sha256,omitempty"`
	Error       string `json:"error,omitempty"` // of a failed one
}

// Store says what it took to fill an embedding store, over all parts of an
// interrupted extraction.
type Store struct {
	Dir             string  `json:"dir"` // as Run.Store
	Seconds         float64 `json:"seconds"`
	Rows            int     `json:"rows"` // computed in that time
	ImagesPerSecond float64 `json:"images_per_second"`
}

// Result is what a finished run came to.
type Result struct {
	BestValAccuracy   float64 `json:"best_val_accuracy"`
	BestEpoch         int     `json:"best_epoch"` // from 1
	ImagesPerSecond   float64 `json:"images_per_second"`
	ParametersTrained int     `json:"parameters_trained"`
}

// Reference is a published or measured result, for comparison with the runs of a backbone and a mode.
type Reference struct {
	Name            string  `json:"name"` // short, as for the head of a column
	Source          string  `json:"source"`
	Backbone        string  `json:"backbone"` // of the result; it may not be that of the runs, as squeezenet1_0
	Beside          string  `json:"beside"`   // the backbone of the runs
	Mode            string  `json:"mode"`
	BestValAccuracy float64 `json:"best_val_accuracy"`
	SD              float64 `json:"sd,omitempty"` // over Runs runs
	Runs            int     `json:"runs,omitempty"`
	Seconds         float64 `json:"seconds,omitempty"` // of one run
}

// Store returns what is known of the store in dir.
func (e *Experiment) Store(dir string) Store {
	for _, s := range e.Stores {
		if s.Dir == dir {
			return s
		}
	}
	return Store{Dir: dir}
}

// SetStore replaces what is known of the store in s.Dir.
func (e *Experiment) SetStore(s Store) {
	for i := range e.Stores {
		if e.Stores[i].Dir == s.Dir {
			e.Stores[i] = s
			return
		}
	}
	e.Stores = append(e.Stores, s)
}

// Is tells whether dir is the folder of an experiment. Where the system fails to
// tell, it may be one: Load says so.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, FileName))
	return err == nil || fail.BySystem(err)
}

// Save writes dir's experiment.json, whole or not at all.
func Save(dir string, e Experiment) error {
	e.FormatVersion = formatVersion
	text, err := checksum.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", FileName, err)
	}
	path := filepath.Join(dir, FileName)
	if err := durable.WriteBytes(path, text); err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "write %s", path)
	}
	return nil
}

// Load reads the experiment in dir. Its folders are then absolute or relative to the
// working directory, as dir is; in the file they are relative to dir. Errors are of kind
// fail.Usage if dir is no experiment, and fail.Model if its file can't be used.
func Load(dir string) (Experiment, error) {
	var e Experiment
	path := filepath.Join(dir, FileName)
	const again = "Remove it and run the experiment again: finished runs are found by their folders."
	text, err := userfile.ReadJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e, fail.New(fail.Usage, "An experiment is a folder that `fx experiment run` wrote.",
			"%s is no experiment: it has no %s", dir, FileName)
	} else if errors.Is(err, userfile.ErrTooLarge) {
		return e, fail.Wrap(fail.Model, err, again, "%s is damaged", path)
	} else if err != nil {
		return e, fail.Wrap(fail.Usage, err, "An experiment is a folder that `fx experiment run` wrote.",
			"experiment %s", dir)
	}
	if err := json.Unmarshal(text, &struct {
		FormatVersion *int `json:"format_version"`
	}{&e.FormatVersion}); err != nil {
		return e, fail.Wrap(fail.Model, err, again, "%s is damaged", path)
	}
	if e.FormatVersion != formatVersion {
		return e, fail.New(fail.Model, "Use the fx that wrote it, or another --out.",
			"%s has format version %d; this fx reads version %d", path, e.FormatVersion, formatVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return e, fail.Wrap(fail.Model, err, checksum.Hint, "")
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fail.Wrap(fail.Model, err, again, "%s is damaged", path)
	}
	place := func(folder *string) {
		if *folder != "" {
			*folder = filepath.Join(dir, filepath.FromSlash(*folder))
		}
	}
	for i := range e.Runs {
		place(&e.Runs[i].Dir)
		place(&e.Runs[i].Store)
	}
	for i := range e.Stores {
		place(&e.Stores[i].Dir)
	}
	return e, nil
}
