package experiments

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/training"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// format is the version of experiment files that this package reads.
const format = 1

// tutorial is the Data of a file that uses the photos of PyTorch's tutorial, which are searched for.
const tutorial = "hymenoptera_data"

//go:embed *.yaml
var builtIn embed.FS

// File is the content of an experiment file.
type File struct {
	Format     int               `yaml:"format"`
	Name       string            `yaml:"name"`  // as in folder names: small letters, digits, hyphens
	Title      string            `yaml:"title"` // for people
	Data       string            `yaml:"data"`  // a folder of photos, relative to the file, or hymenoptera_data
	Backbones  []Network         `yaml:"backbones"`
	Modes      []string          `yaml:"modes"` // of training.Modes
	Seeds      []uint64          `yaml:"seeds"`
	Settings   training.Settings `yaml:"settings"` // a mode ignores those that it does not read
	Overrides  []Override        `yaml:"overrides"`
	References []Reference       `yaml:"references"`

	// WeightsIfMissing are random weights, "seed:N", that replace pretrained ones which are not found. Their results
	// are marked. If it is zero, missing weights are an error.
	WeightsIfMissing weights.Ref `yaml:"weights-if-missing"`

	dir string // Data is relative to it
}

// Network is one of the backbones: in YAML a name, or a mapping.
type Network struct {
	Name    string      `yaml:"name"`    // from fx backbones list, or an ONNX file, relative to the experiment file
	Weights weights.Ref `yaml:"weights"` // a file, likewise, or "seed:N"; zero searches for the official ones
}

// Override changes settings of the runs of a backbone, of a mode, or of both.
type Override struct {
	Backbone string `yaml:"backbone"` // "" means all
	Mode     string `yaml:"mode"`     // likewise
	Settings patch  `yaml:"settings"`
}

// Reference is a set of published or measured results that are shown beside the runs.
type Reference struct {
	Name    string   `yaml:"name"`   // short, for the header of a column
	Source  string   `yaml:"source"` // where it was published, or how it was measured
	Figures []Figure `yaml:"figures"`
}

// Figure is a result in a Reference, for a backbone and a mode.
type Figure struct {
	Backbone        string  `yaml:"backbone"`
	Beside          string  `yaml:"beside"` // the backbone of the runs, if it is another one
	Mode            string  `yaml:"mode"`
	BestValAccuracy float64 `yaml:"best-val-accuracy"`
	SD              float64 `yaml:"sd"`      // standard deviation over runs
	Runs            int     `yaml:"runs"`    // number of runs in the mean
	Seconds         float64 `yaml:"seconds"` // of one run
}

// UnmarshalYAML reads a name or a mapping.
func (n *Network) UnmarshalYAML(text []byte) error {
	if err := yaml.Unmarshal(text, &n.Name); err == nil {
		return nil
	}
	type plain Network // without this method
	return unmarshal(text, (*plain)(n))
}

// patch is YAML that is decoded over settings.
type patch []byte

func (p *patch) UnmarshalYAML(text []byte) error {
	*p = bytes.Clone(text)
	return nil
}

// Names returns the names of the built-in files.
func Names() []string {
	found, err := fs.Glob(builtIn, "*.yaml")
	if err != nil {
		panic(err) // our own pattern
	}
	for i, name := range found {
		found[i] = strings.TrimSuffix(name, ".yaml")
	}
	return found
}

// Open reads the experiment file at path, or the built-in one of that name. Errors: fail.Usage, which names the line;
// the context's.
func Open(ctx context.Context, path string) (*File, error) {
	text, err := userfile.ReadText(ctx, path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(Names(), path) {
		text, err = builtIn.ReadFile(path + ".yaml")
	}
	if errors.Is(err, userfile.ErrTooLarge) {
		return nil, fail.Wrap(fail.Usage, err, "experiments/README.md describes the file.", "experiment file")
	}
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, fmt.Sprintf("Name a YAML file, or one that fx has built in: %s.",
			strings.Join(Names(), ", ")), "experiment file")
	}
	file, err := userfile.Abandon(ctx, func() (*File, error) { return parse(text) })
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "experiments/README.md describes the file.", "%s", path)
	}
	file.dir = filepath.Dir(path)
	return file, nil
}

func parse(text []byte) (*File, error) {
	file := &File{Settings: training.Defaults()}
	var version struct {
		Format int `yaml:"format"`
	}
	if err := vetYAML(text); err != nil {
		return nil, plainly(err)
	}
	if err := yaml.Unmarshal(text, &version); err != nil {
		return nil, plainly(err)
	}
	if version.Format == 0 {
		return nil, fmt.Errorf("it has no format: an experiment file begins with \"format: %d\"", format)
	}
	if version.Format != format {
		return nil, fmt.Errorf("it has format %d; this fx reads format %d", version.Format, format)
	}
	if err := yaml.UnmarshalWithOptions(text, file, yaml.Strict()); err != nil {
		return nil, plainly(err)
	}
	return file, file.check()
}

// maxEntries is the largest number of backbones and of overrides: all overrides are decoded for each backbone.
const maxEntries = 200

var folderName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func (f *File) check() error {
	modes := []string{modeldir.FeatureExtraction, modeldir.Finetune, modeldir.Scratch}
	switch {
	case !folderName.MatchString(f.Name):
		return fmt.Errorf("name %q must be of small letters, digits and hyphens", f.Name)
	case f.Data == "":
		return fmt.Errorf("data is missing: a folder of photos, or %s", tutorial)
	case len(f.Backbones) == 0 || len(f.Modes) == 0 || len(f.Seeds) == 0:
		return errors.New("backbones, modes and seeds need at least one entry each")
	case f.WeightsIfMissing.File != "":
		return fmt.Errorf("weights-if-missing %q must be seed:N", f.WeightsIfMissing)
	}
	if f.Title == "" {
		f.Title = f.Name
	}
	if n := max(len(f.Backbones), len(f.Overrides)); n > maxEntries {
		return fmt.Errorf("%d entries of backbones or overrides, more than the %d accepted", n, maxEntries)
	}
	seen, names := map[string]bool{}, map[string]string{} // names by those of the registry
	for _, b := range f.Backbones {
		if b.Name == "" || seen[b.Name] {
			return fmt.Errorf("backbones: %q is listed twice, or is empty", b.Name)
		}
		seen[b.Name] = true
		registered, err := backbones.Lookup(b.Name)
		if err != nil {
			continue // an ONNX file, or a name that opening it refuses
		}
		if other := names[registered.Name]; other != "" {
			return fmt.Errorf("backbones: %s and %s are the same network with the same weights", other, b.Name)
		}
		names[registered.Name] = b.Name
	}
	for i, mode := range f.Modes {
		if !slices.Contains(modes, mode) {
			return fmt.Errorf("modes: %q is none of %s", mode, strings.Join(modes, ", "))
		}
		if slices.Contains(f.Modes[:i], mode) {
			return fmt.Errorf("modes: %s is listed twice", mode)
		}
	}
	for i, seed := range f.Seeds {
		if slices.Contains(f.Seeds[:i], seed) {
			return fmt.Errorf("seeds: %d is listed twice", seed)
		}
	}
	for _, o := range f.Overrides {
		if o.Backbone != "" && !seen[o.Backbone] || o.Mode != "" && !slices.Contains(f.Modes, o.Mode) {
			return fmt.Errorf("overrides: no run has backbone %q and mode %q", o.Backbone, o.Mode)
		}
	}
	for _, r := range f.References {
		for _, figure := range r.Figures {
			if r.Name == "" || figure.Backbone == "" || !slices.Contains(modes, figure.Mode) ||
				!(figure.BestValAccuracy > 0 && figure.BestValAccuracy <= 1) {
				return fmt.Errorf("references: %q: a figure needs backbone, mode and best-val-accuracy in (0, 1]",
					r.Name)
			}
		}
	}
	return f.eachSettings(func(training.Settings) error { return nil })
}

// eachSettings calls do with the settings of each backbone and mode.
func (f *File) eachSettings(do func(training.Settings) error) error {
	for _, b := range f.Backbones {
		for _, mode := range f.Modes {
			s, err := f.settings(b.Name, mode)
			if err == nil {
				err = do(s)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// settings returns the settings of the runs of a backbone and a mode.
func (f *File) settings(backbone, mode string) (training.Settings, error) {
	s := f.Settings
	for _, o := range f.Overrides {
		if o.Backbone != "" && o.Backbone != backbone || o.Mode != "" && o.Mode != mode {
			continue
		}
		if err := unmarshal(o.Settings, &s); err != nil {
			return s, fmt.Errorf("overrides: %w", plainly(err))
		}
	}
	if err := s.Check(training.Modes[mode]); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

// Set changes a setting of all runs, as in "epochs=2".
func (f *File) Set(assignment string) error {
	name, value, found := strings.Cut(assignment, "=")
	if !found {
		return fail.New(fail.Usage, "Write it as in --set epochs=2.", "--set %s has no =", assignment)
	}
	text := patch(name + ": " + value + "\n")
	f.Overrides = append(f.Overrides, Override{Settings: text})
	if err := f.eachSettings(func(training.Settings) error { return nil }); err != nil {
		return fail.Wrap(fail.Usage, err,
			"The names are those of `fx finetune`'s flags: epochs, batch-size, lr and so on.", "--set %s", assignment)
	}
	// Settings is shown as what all runs share.
	if err := unmarshal(text, &f.Settings); err != nil {
		return fail.Wrap(fail.Usage, plainly(err), "", "--set %s", assignment)
	}
	return nil
}

// SetWeightsIfMissing sets WeightsIfMissing to "seed:N".
func (f *File) SetWeightsIfMissing(seed string) error {
	ref, err := weights.ParseRef(seed)
	if f.WeightsIfMissing = ref; err == nil {
		err = f.check()
	}
	return fail.Wrap(fail.Usage, err, "Write it as in --weights-if-missing seed:0.", "--weights-if-missing")
}

// DefaultOut returns the default folder of the results.
func (f *File) DefaultOut() string { return filepath.Join("runs", f.Name) }
