package experiments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/backbones"
	"fx/internal/dataset"
	"fx/internal/environment"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/lockfile"
	"fx/internal/machine"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/sampledata"
	"fx/internal/training"
	"fx/internal/version"
)

// Options of Run and DryRun. The zero value suits most callers.
type Options struct {
	environment.Environment // of all runs

	Out    string          // EXPERIMENT folder; "" means File.DefaultOut
	Force  bool            // write to Out though outpath.Prepare refuses it
	Data   string          // photos in place of the file's
	Photos dataset.Options // which files are photos
	Only   string          // pattern of the names of runs to execute, such as "*-finetune-*"; "" means all
	Lock   lockfile.Lock   // checked and extended together with Out's own
}

// keyVersion is a part of every key, so another version repeats every run. It changes when the same settings mean a
// different training.
const keyVersion = 1

// keyDigits is the number of a key's digits in the name of a folder.
const keyDigits = 12

// matrix is an experiment whose photos and weights are found.
type matrix struct {
	options  Options
	file     *File
	planOnly bool // for DryRun
	photos   *dataset.Dataset
	splits   dataset.Splits // of every run, for training and evaluation
	decoder  *imaging.Decoder
	record   experimentdir.Experiment
	runs     []planned                    // one for each of record.Runs
	missing  []string                     // backbones whose pretrained weights were not found
	inputs   []lockfile.Input             // what was fetched or found
	earlier  map[string]experimentdir.Run // of the earlier record, by name
}

// planned is what a run needs.
type planned struct {
	selected bool // by Options.Only
	settings training.Settings
	network  backbones.NetworkOptions
}

// prepare finds photos and weights, and gives each run its key. With planOnly it replaces photos and weights that it
// does not find, with a note.
func prepare(ctx context.Context, file *File, o Options, planOnly bool, report progress.Reporter) (*matrix, error) {
	if err := o.Environment.Check(); err != nil {
		return nil, err
	}
	if o.Out == "" {
		o.Out = file.DefaultOut()
	}
	m := &matrix{options: o, file: file, planOnly: planOnly, record: experimentdir.Experiment{
		Name: file.Name, Title: file.Title, Settings: file.Settings.ExperimentRecord(), References: file.references(),
		Machine: machine.CPU(), Versions: map[string]string{"fx": version.String()},
	}}
	if experimentdir.Is(o.Out) {
		earlier, err := experimentdir.Load(o.Out)
		if err != nil {
			return nil, err
		}
		if earlier.Name != file.Name {
			return nil, fail.New(fail.Usage, "Choose another --out.", "%s holds the experiment %s, not %s", o.Out,
				earlier.Name, file.Name)
		}
		if err := m.remember(earlier); err != nil {
			return nil, fail.Wrap(fail.Other, err, "", "experiment %s", o.Out)
		}
	}
	var err error
	if m.decoder, err = o.NewDecoder(imaging.Options{EXIF: file.Settings.EXIF}); err != nil {
		return nil, err
	}
	if err := m.findPhotos(ctx, report); err != nil {
		return nil, err
	}
	for _, backbone := range file.Backbones {
		if err := m.add(ctx, backbone, report); err != nil {
			return nil, err
		}
	}
	if len(m.missing) > 0 {
		m.note(fmt.Sprintf("pretrained weights can't be had of %s: their runs start from random ones, %s, and say "+
			"nothing of the pretrained networks",
			strings.Join(m.missing, ", "), file.WeightsIfMissing))
	}
	if err := m.noteOthers(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(m.runs, func(p planned) bool { return p.selected }) {
		return nil, fail.New(fail.Usage, "`fx experiment plan` lists the runs' names.",
			"--only %s: no run is called so", o.Only)
	}
	return m, nil
}

// photos returns the folder or list that --data or the file names, without its hash. It is zero for the tutorial's
// photos, which are searched for.
func (f *File) photos(o Options) experimentdir.Data {
	switch {
	case o.Data != "":
		return experimentdir.Data{Dir: o.Data, Origin: "--data"}
	case f.Data == tutorial:
		return experimentdir.Data{}
	}
	return experimentdir.Data{Dir: f.relative(f.Data), Origin: "the file"}
}

// findPhotos finds the photos and hashes them.
func (m *matrix) findPhotos(ctx context.Context, report progress.Reporter) error {
	data := &m.record.Data
	if *data = m.file.photos(m.options); data.Dir == "" {
		found, err := sampledata.Photos(ctx, sampledata.Options{Lock: m.lock()}, report)
		if err != nil {
			return err
		}
		m.inputs = append(m.inputs, found.Inputs...)
		if found.Drawn && m.planOnly {
			m.note("the tutorial's photos can't be had here: the estimate is one for a few drawn pictures; a run " +
				"needs --data or FX_DATA_DIR")
		} else if found.Drawn {
			return fail.New(fail.Usage, "Name the folder with --data, or set FX_DATA_DIR.",
				"the tutorial's photos, which %s is about, can't be had", m.file.Name)
		}
		*data = experimentdir.Data{Dir: found.Dir, Origin: found.Origin}
	}
	var err error
	if m.photos, err = dataset.Scan(ctx, data.Dir, m.options.Photos); err != nil {
		return err
	}
	if m.splits, err = m.photos.ChooseSplits(dataset.SplitRequest{
		From: data.Dir, Train: m.file.Settings.TrainSplit, Val: m.file.Settings.ValSplit,
		Evaluation: dataset.RequiredEvaluation,
		Advice: "Make folders train/ and val/ with a folder a class in each, or name the splits in the file's " +
			"settings: train-split, val-split.",
	}); err != nil {
		return err
	}
	for _, note := range slices.Concat(m.photos.Notes, m.splits.Notes()) {
		report.Note(note)
	}
	if left := len(m.photos.Skipped); left > 0 {
		first := m.photos.Skipped[0]
		report.Note(fmt.Sprintf("%d files and folders of %s are left out, such as %s: %s", left, data.Dir, first.Path,
			first.Reason))
	}
	data.SHA256, err = contentSHA256(ctx, m.photos, report)
	return err
}

// lock returns the lock for the photos and weights that fx finds. A lock.json in a folder that is no experiment yet
// does not belong to fx.
func (m *matrix) lock() lockfile.Lock {
	if experimentdir.Is(m.options.Out) {
		return m.options.Lock.In(m.options.Out)
	}
	return m.options.Lock
}

// note records a note that is shown with the results.
func (m *matrix) note(line string) { m.record.Notes = append(m.record.Notes, line) }

// relative resolves a path in the file, which is relative to the file's folder.
func (f *File) relative(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(f.dir, filepath.FromSlash(p))
}

// add finds a backbone's weights and adds its runs.
func (m *matrix) add(ctx context.Context, backbone Network, report progress.Reporter) error {
	var network weightsFound
	wanted, err := m.wants(backbone)
	if err != nil {
		return err
	}
	for _, mode := range m.file.Modes {
		settings, err := m.file.settings(backbone.Name, mode)
		if err != nil {
			return fail.Wrap(fail.Usage, err, "", "experiment %s", m.file.Name)
		}
		for _, seed := range m.file.Seeds {
			run := experimentdir.Run{
				Name: runName(backbone, mode, seed), Backbone: shortName(backbone.Name),
				Mode: mode, Seed: seed, Status: experimentdir.Pending,
			}
			p := planned{selected: m.selects(run.Name), settings: ofRun(settings, mode, seed),
				network: backbones.NetworkOptions{
					Backbone: m.file.network(backbone.Name), Resize: settings.Resize, Crop: settings.Crop,
				}}
			if !wanted && mode != modeldir.Scratch {
				if earlier, known := m.earlier[run.Name]; known {
					run = earlier
				} else {
					run.Weights = "not looked for"
				}
				m.record.Runs, m.runs = append(m.record.Runs, run), append(m.runs, p)
				continue
			}
			if mode == modeldir.Scratch {
				run.Weights = fmt.Sprintf("random, seed %d", seed)
			} else {
				if network.sha256 == "" {
					if network, err = m.findWeights(ctx, backbone, p.network, report); err != nil {
						return err
					}
				}
				p.network.Weights, run.Weights, run.Seeded = network.weights, network.label, network.seeded
				p.network.LookedFor = network.lookedFor
			}
			m.place(&run, settings, network.sha256)
			m.record.Runs, m.runs = append(m.record.Runs, run), append(m.runs, p)
		}
	}
	return nil
}

func runName(backbone Network, mode string, seed uint64) string {
	return fmt.Sprintf("%s-%s-seed%d", shortName(backbone.Name), mode, seed)
}

// selects reports whether Options.Only, which wants has checked, matches the name of a run.
func (m *matrix) selects(name string) bool {
	match, _ := path.Match(m.options.Only, name)
	return match || m.options.Only == ""
}

// wants reports whether a selected run of the backbone starts from pretrained weights, which must then be found.
func (m *matrix) wants(backbone Network) (bool, error) {
	if _, err := path.Match(m.options.Only, ""); err != nil {
		return false, fail.Wrap(fail.Usage, err, "Write it as in --only '*-finetune-*'.", "--only %s", m.options.Only)
	}
	for _, mode := range m.file.Modes {
		for _, seed := range m.file.Seeds {
			if mode != modeldir.Scratch && m.selects(runName(backbone, mode, seed)) {
				return true, nil
			}
		}
	}
	return false, nil
}

// network returns the name of a registered network, or the path of an ONNX file.
func (f *File) network(name string) string {
	if backbones.IsFile(name) {
		return f.relative(name)
	}
	return name
}

// shortName returns the name of a backbone in names of runs.
func shortName(backbone string) string {
	if backbones.IsFile(backbone) {
		return strings.TrimSuffix(filepath.Base(backbone), filepath.Ext(backbone))
	}
	return backbone
}

// place sets the key of a run and its folders, which the key determines.
func (m *matrix) place(run *experimentdir.Run, s training.Settings, weights string) {
	if run.Mode == modeldir.Scratch {
		weights = ""
	}
	run.Key = hashOf(map[string]any{
		"version": keyVersion, "photos": m.record.Data.SHA256, "backbone": run.Backbone, "weights": weights,
		"mode": run.Mode, "seed": run.Seed, "settings": s.Key(training.Modes[run.Mode]),
	})
	run.Dir = path.Join("runs", run.Name+"-"+run.Key[:keyDigits])
	if run.Mode == modeldir.FeatureExtraction {
		// The key does not depend on the photos: the store recomputes those that changed.
		s.TrainSplit = orTrain(s.TrainSplit)
		key := map[string]any{"version": keyVersion, "backbone": run.Backbone, "weights": weights}
		maps.Copy(key, s.KeyOfFeatures())
		run.Store = path.Join("features", run.Backbone+"-"+hashOf(key)[:keyDigits])
	}
}

// hashOf returns the SHA-256 of a value's JSON, with sorted keys.
func hashOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain values
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// dir returns the folder of a run.
func (m *matrix) dir(i int) string {
	return filepath.Join(m.options.Out, filepath.FromSlash(m.record.Runs[i].Dir))
}

// store returns the folder of a run's embeddings.
func (m *matrix) store(i int) string {
	return filepath.Join(m.options.Out, filepath.FromSlash(m.record.Runs[i].Store))
}
