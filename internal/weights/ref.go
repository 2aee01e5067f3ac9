package weights

import (
	"path/filepath"
	"strconv"
	"strings"

	"fx/internal/fail"
	"fx/internal/paths"
)

// Ref refers to weights: a file, or the seed from which they are drawn. The zero Ref refers to none.
type Ref struct {
	File string // path; "" if a seed draws the weights
	Draw Draw   // the rule, "" for a file
	Seed uint64 // if Draw is set
}

// Draw is a rule by which a seed draws weights.
type Draw string

// The rules.
const (
	layerDefaults Draw = "seed:"                    // of each layer, see backbones.SeedWeights
	Constructor   Draw = "initial weights of seed " // of the network's constructor, see backbones.InitialWeights
)

// File refers to the weights in the file at path.
func File(path string) Ref { return Ref{File: path} }

// Seed refers to the weights that the seed n draws by the layers' defaults.
func Seed(n uint64) Ref { return Ref{Draw: layerDefaults, Seed: n} }

// ParseRef parses a user's text: a path, "seed:N", or "" for the zero Ref. If the seed is not a number, the error is
// of kind fail.Usage.
func ParseRef(text string) (Ref, error) {
	digits, drawn := strings.CutPrefix(text, string(layerDefaults))
	if !drawn {
		return File(text), nil
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Ref{}, fail.New(fail.Usage, "Write a whole number, such as seed:0.", "%q is not a seed", text)
	}
	return Seed(n), nil
}

// Random reports whether a seed draws the weights.
func (r Ref) Random() bool { return r.Draw != "" }

// IsZero reports whether r refers to no weights.
func (r Ref) IsZero() bool { return r == Ref{} }

// Absolute returns r with an absolute path.
func (r Ref) Absolute() Ref {
	if r.File != "" {
		r.File = paths.Absolute(r.File)
	}
	return r
}

// Name returns the weights' name for people: the file's name without its folder, or the seed.
func (r Ref) Name() string {
	if r.File != "" {
		return filepath.Base(r.File)
	}
	return r.String()
}

// String returns the path, or the seed in the syntax of ParseRef.
func (r Ref) String() string {
	if r.Random() {
		return string(r.Draw) + strconv.FormatUint(r.Seed, 10)
	}
	return r.File
}

// MarshalText returns String.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text of MarshalText.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	if digits, drawn := strings.CutPrefix(string(text), string(Constructor)); drawn {
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
			*r = Ref{Draw: Constructor, Seed: n}
			return nil
		}
	}
	*r, err = ParseRef(string(text))
	return err
}

// UnmarshalYAML parses a text as ParseRef does.
func (r *Ref) UnmarshalYAML(decode func(any) error) (err error) {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	*r, err = ParseRef(text)
	return err
}

// OlderUntrained returns the note that the weights are random, or "". Files of an older fx have only this note, and no
// field.
func OlderUntrained(notes []string) string {
	for _, note := range notes {
		if strings.Contains(note, "not trained") {
			return note
		}
	}
	return ""
}
