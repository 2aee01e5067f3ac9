package experiments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/extract"
	"fx/finetune"
	"fx/internal/dataset"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/machine"
	"fx/internal/modeldir"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/sample"
)

// Options say where an experiment runs. The zero value serves.
type Options struct {
	Out     string     // EXPERIMENT folder; "" stands for File.DefaultOut
	Data    string     // photos in place of the file's
	Only    string     // pattern of the names of the runs to do, such as "*-finetune-*"; "" means all
	Device  ort.Device // of all runs
	Workers int        // goroutines that decode; 0 means one for each CPU
	Library string     // path of libonnxruntime, "" to look for it
	Decoder string     // of JPEG: "auto" (also ""), "turbojpeg" or "go"

	FxVersion string // for the records
}

// keyVersion is a part of every key: another one makes every run anew. It
// changes when the same settings come to mean another training.
const keyVersion = 1

// keyDigits of a key name a folder.
const keyDigits = 12

const seedPrefix = "seed:"

// matrix is an experiment whose photos and weights are found.
type matrix struct {
	options  Options
	file     *File
	foresees bool
	photos   *dataset.Dataset
	decoder  *imaging.Decoder
	record   experimentdir.Experiment
	runs     []planned // one for each of record.Runs
	missing  []string  // backbones whose pretrained weights can't be had
}

// planned is a run with what it takes to do it.
type planned struct {
	selected bool // by Options.Only
	settings Settings
	network  extract.NetworkOptions
}

// prepare finds photos and weights, and gives each run its key. Where it only
// foresees, it takes stand-ins for photos and weights that can't be had, and says so.
func prepare(ctx context.Context, file *File, o Options, foresees bool, report progress.Reporter) (*matrix, error) {
	if o.Out == "" {
		o.Out = file.DefaultOut()
	}
	m := &matrix{options: o, file: file, foresees: foresees, record: experimentdir.Experiment{
		Name: file.Name, Title: file.Title, Settings: file.Settings.shared(), References: file.references(), Machine: machine.CPU(),
		Versions: map[string]string{"fx": o.FxVersion},
	}}
	if experimentdir.Is(o.Out) {
		earlier, err := experimentdir.Load(o.Out)
		if err != nil {
			return nil, err
		}
		if earlier.Name != file.Name {
			return nil, fail.New(fail.Usage, "Choose another --out.", "%s holds the experiment %s, not %s", o.Out, earlier.Name, file.Name)
		}
		for _, s := range earlier.Stores {
			if s.Dir, err = filepath.Rel(o.Out, s.Dir); err != nil {
				return nil, fail.Wrap(fail.Other, err, "", "experiment %s", o.Out)
			}
			s.Dir = filepath.ToSlash(s.Dir)
			m.record.SetStore(s)
		}
	}
	var err error
	if m.decoder, err = imaging.NewDecoder(imaging.Options{Decoder: o.Decoder, EXIF: file.Settings.EXIF}); err != nil {
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
		m.note(fmt.Sprintf("pretrained weights can't be had of %s: their runs start from random ones, %s, and say nothing of the pretrained networks",
			strings.Join(m.missing, ", "), file.WeightsIfMissing))
	}
	if !slices.ContainsFunc(m.runs, func(p planned) bool { return p.selected }) {
		return nil, fail.New(fail.Usage, "`fx experiment plan` lists the runs' names.", "--only %s: no run is called so", o.Only)
	}
	return m, nil
}

// findPhotos finds the photos and hashes them.
func (m *matrix) findPhotos(ctx context.Context, report progress.Reporter) error {
	data := &m.record.Data
	switch dir := m.options.Data; {
	case dir != "":
		*data = experimentdir.Data{Dir: dir, Origin: "--data"}
	case m.file.Data == Tutorial:
		found, err := sample.Photos(ctx, sample.Options{}, report)
		if err != nil {
			return err
		}
		if found.Origin == sample.DrawnName && m.foresees {
			m.note("the tutorial's photos can't be had here: the estimate is one for a few drawn pictures; a run needs --data or FX_DATA_DIR")
		} else if found.Origin == sample.DrawnName {
			return fail.New(fail.Usage, "Name the folder with --data, or set FX_DATA_DIR.", "the tutorial's photos, which %s is about, can't be had", m.file.Name)
		}
		*data = experimentdir.Data{Dir: found.Dir, Origin: found.Origin}
	default:
		*data = experimentdir.Data{Dir: m.file.relative(m.file.Data), Origin: "the file"}
	}
	var err error
	if m.photos, err = dataset.Scan(ctx, data.Dir, dataset.Options{}); err != nil {
		return err
	}
	data.SHA256, err = contentSHA256(ctx, m.photos, report)
	return err
}

// note keeps what must stand beside the results.
func (m *matrix) note(line string) { m.record.Notes = append(m.record.Notes, line) }

// relative is a path of the file, which is relative to where the file lies.
func (f *File) relative(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(f.dir, filepath.FromSlash(p))
}

// add finds a backbone's weights and adds its runs.
func (m *matrix) add(ctx context.Context, backbone Network, report progress.Reporter) error {
	var network weightsFound
	for _, mode := range m.file.Modes {
		settings, err := m.file.settings(backbone.Name, mode)
		if err != nil {
			return fail.Wrap(fail.Usage, err, "", "experiment %s", m.file.Name)
		}
		for _, seed := range m.file.Seeds {
			run := experimentdir.Run{
				Name: fmt.Sprintf("%s-%s-seed%d", shortName(backbone.Name), mode, seed), Backbone: shortName(backbone.Name),
				Mode: mode, Seed: seed, Status: experimentdir.Pending,
			}
			p := planned{selected: true, settings: settings, network: extract.NetworkOptions{Backbone: m.file.network(backbone.Name), Resize: settings.Resize, Crop: settings.Crop}}
			if only := m.options.Only; only != "" {
				if p.selected, err = path.Match(only, run.Name); err != nil {
					return fail.Wrap(fail.Usage, err, "", "--only %s", only)
				}
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
			}
			m.place(&run, settings, network.sha256)
			m.record.Runs, m.runs = append(m.record.Runs, run), append(m.runs, p)
		}
	}
	return nil
}

// network is the name of a registered network, or the path of an ONNX file.
func (f *File) network(name string) string {
	if isFile(name) {
		return f.relative(name)
	}
	return name
}

func isFile(name string) bool { return strings.EqualFold(filepath.Ext(name), ".onnx") }

// shortName is what a backbone is called in names of runs.
func shortName(backbone string) string {
	if isFile(backbone) {
		return strings.TrimSuffix(filepath.Base(backbone), filepath.Ext(backbone))
	}
	return backbone
}

// weightsFound is what a pretrained network starts from.
type weightsFound struct {
	weights string // for extract.NetworkOptions
	label   string // for people
	sha256  string
	seeded  bool // random, so that no result says anything of the network
}

// findWeights finds a backbone's weights, or those that take their place.
func (m *matrix) findWeights(ctx context.Context, backbone Network, o extract.NetworkOptions, report progress.Reporter) (weightsFound, error) {
	o.Weights = backbone.Weights
	if o.Weights != "" && !strings.HasPrefix(o.Weights, seedPrefix) {
		o.Weights = m.file.relative(o.Weights)
	}
	opened, err := extract.OpenNetwork(ctx, o, report)
	if err != nil && o.Weights == "" && !isFile(backbone.Name) && m.file.WeightsIfMissing != "" && ctx.Err() == nil {
		report.Note(fmt.Sprintf("the weights of %s can't be had: its runs take random ones, %s", backbone.Name, m.file.WeightsIfMissing))
		m.missing = append(m.missing, backbone.Name)
		o.Weights = m.file.WeightsIfMissing
		opened, err = extract.OpenNetwork(ctx, o, report)
	}
	if err != nil && fail.KindOf(err) == fail.Model && m.foresees && o.Weights == "" && !isFile(backbone.Name) && ctx.Err() == nil {
		m.note(fmt.Sprintf("the weights of %s can't be had here: a run needs FX_WEIGHTS_DIR, or --weights-if-missing seed:0", backbone.Name))
		o.Weights = seedPrefix + "0" // takes as long
		if opened, err = extract.OpenNetwork(ctx, o, report); err == nil {
			return weightsFound{weights: o.Weights, label: "not at hand", sha256: opened.WeightsSHA256}, nil
		}
	}
	if err != nil {
		return weightsFound{}, fail.Wrap(fail.KindOf(err), err, "", "the backbone %s", backbone.Name)
	}
	found := weightsFound{weights: opened.Weights, label: filepath.Base(opened.Weights), sha256: opened.WeightsSHA256}
	if strings.HasPrefix(opened.Weights, seedPrefix) {
		found.label, found.seeded = opened.Weights, true
	}
	if opened.Backbone.File != "" {
		found.weights = o.Weights // its own, or the file that the experiment names
	}
	return found, nil
}

// place gives a run its key, and the folders that follow from it.
func (m *matrix) place(run *experimentdir.Run, s Settings, weights string) {
	if run.Mode == modeldir.Scratch {
		weights = ""
	}
	run.Key = hashOf(map[string]any{
		"version": keyVersion, "photos": m.record.Data.SHA256, "backbone": run.Backbone, "weights": weights,
		"mode": run.Mode, "seed": run.Seed, "settings": s.describe(run.Mode),
	})
	run.Dir = path.Join("runs", run.Name+"-"+run.Key[:keyDigits])
	if run.Mode == modeldir.FeatureExtraction {
		// Without the photos: the store itself knows which of them changed.
		key := hashOf(map[string]any{
			"version": keyVersion, "backbone": run.Backbone, "weights": weights,
			"dtype": s.DType, "views": s.Views, "exif": s.EXIF, "resize": s.Resize, "crop": s.Crop, "train-split": orTrain(s.TrainSplit),
		})
		run.Store = path.Join("features", run.Backbone+"-"+key[:keyDigits])
	}
}

// hashOf is the SHA-256 of a value's JSON, whose keys are sorted.
func hashOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain values
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// dir is the folder of a run; store that of its embeddings.
func (m *matrix) dir(i int) string {
	return filepath.Join(m.options.Out, filepath.FromSlash(m.record.Runs[i].Dir))
}
func (m *matrix) store(i int) string {
	return filepath.Join(m.options.Out, filepath.FromSlash(m.record.Runs[i].Store))
}

// look finds out how far each run is, and returns the indexes of those to do
// among the selected ones, and how many are selected.
func (m *matrix) look() (todo []int, selected int) {
	for i := range m.record.Runs {
		run := &m.record.Runs[i]
		switch model, _, err := modeldir.Load(m.dir(i)); {
		case err == nil && (run.Mode == modeldir.FeatureExtraction || finetune.Finished(m.dir(i))):
			m.finish(i, model)
		case finetune.Begun(m.dir(i)):
			run.Status = experimentdir.Started
		}
		if m.runs[i].selected {
			selected++
			if run.Status != experimentdir.Finished {
				todo = append(todo, i)
			}
		}
	}
	return todo, selected
}

// finish notes the result of a run from its MODEL.
func (m *matrix) finish(i int, model modeldir.Model) {
	run, metrics := &m.record.Runs[i], model.Metrics
	run.Status, run.Error = experimentdir.Finished, ""
	run.Result = &experimentdir.Result{
		BestValAccuracy: metrics.BestValAccuracy, BestEpoch: metrics.BestEpoch,
		ImagesPerSecond: metrics.ImagesPerSecond, ParametersTrained: metrics.ParametersTrained,
	}
	run.Seconds = metrics.Seconds
	if run.Store != "" {
		s := m.record.Store(run.Store)
		run.Seconds += s.Seconds
		run.Result.ImagesPerSecond = s.ImagesPerSecond
	}
	for what, version := range model.Versions {
		if what != "fx" {
			m.record.Versions[what] = version
		}
	}
}

func (f *File) references() []experimentdir.Reference {
	all := []experimentdir.Reference{}
	for _, r := range f.References {
		for _, figure := range r.Figures {
			beside := figure.Beside
			if beside == "" {
				beside = figure.Backbone
			}
			all = append(all, experimentdir.Reference{
				Name: r.Name, Source: r.Source, Backbone: figure.Backbone, Beside: beside, Mode: figure.Mode,
				BestValAccuracy: figure.BestValAccuracy, SD: figure.SD, Runs: figure.Runs, Seconds: figure.Seconds,
			})
		}
	}
	return all
}
