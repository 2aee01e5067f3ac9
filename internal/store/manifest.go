package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"

	"fx/internal/checksum"
	"fx/internal/fail"
	"fx/internal/preprocess"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// formatVersion is the version of the store that this package writes and reads.
const formatVersion = 1

// DType is the type of stored embeddings.
type DType string

// The types. Float16 takes half the space and keeps 11 bits.
const (
	Float32 DType = "float32"
	Float16 DType = "float16"
)

// bytes returns the size of one value, or 0 for a type that does not exist.
func (d DType) bytes() int {
	switch d {
	case Float32:
		return 4
	case Float16:
		return 2
	}
	return 0
}

// Manifest describes what made the rows of a store. All fields but Views, Classes and Made are its identity: rows with
// different identities never share a store.
type Manifest struct {
	FormatVersion int             `json:"format_version"` // set by this package
	Backbone      string          `json:"backbone"`       // registered name or file name
	GraphSHA256   string          `json:"graph_sha256"`   // of the graph without weights
	Weights       string          `json:"weights"`        // display name: a file name or seed:0
	WeightsSHA256 string          `json:"weights_sha256"`
	Preprocess    preprocess.Spec `json:"preprocess"`
	EXIF          string          `json:"exif"`                  // ignore or apply
	Decoder       string          `json:"decoder"`               // pixels differ a little between decoders
	FastDecode    bool            `json:"fast_decode,omitempty"` // JPEGs at a fraction of their size
	Compute       Compute         `json:"compute,omitzero"`
	Provider      string          `json:"provider"`      // text of Compute, set by this package
	DType         DType           `json:"dtype"`         // of the stored embeddings
	FeatureShape  []int           `json:"feature_shape"` // of one embedding, row-major: [512 13 13] or [1024]
	// Seed of the random views. It is part of the identity of stores with such views.
	Seed    uint64     `json:"seed"`
	Views   int        `json:"views"`   // most random views of a photo, besides the centre view
	Classes []string   `json:"classes"` // a label is an index into it
	Made    Provenance `json:"made"`
}

// Provenance is information that changes no embedding. Diff ignores it. It describes the last run that computed a row.
type Provenance struct {
	FX          string `json:"fx,omitempty"`          // version
	ONNXRuntime string `json:"onnxruntime,omitempty"` // version
	Device      string `json:"device,omitempty"`      // such as the name of the GPU
	// Data is the absolute path of the photos' folder or list in the last run; "" in stores of an older fx.
	Data string `json:"data,omitempty"`
	// Extensions of photos in the last run, in addition to torchvision's.
	Extensions []string `json:"extensions,omitempty"`
	// NoFollowLinks: photos behind links were left out in the last run.
	NoFollowLinks   bool              `json:"no_follow_links,omitempty"`
	ProviderOptions map[string]string `json:"provider_options,omitempty"` // of ONNX Runtime
	WeightsOrigin   string            `json:"weights_origin,omitempty"`   // where they were found
	WeightsFile     weights.Ref       `json:"weights_file,omitzero"`      // with an absolute path
	BackboneFile    string            `json:"backbone_file,omitempty"`    // absolute path of a user's ONNX file
	FeatureTensor   string            `json:"feature_tensor,omitempty"`   // that the user chose in it
	Notes           []string          `json:"notes,omitempty"`            // of the network
	// Untrained is the note that the weights are random; "" if they are not.
	Untrained string `json:"untrained,omitempty"`
}

// WithPhotosOf returns p with the fields of now that describe the photos, which may have moved or be chosen
// differently since the rows were computed.
func (p Provenance) WithPhotosOf(now Provenance) Provenance {
	p.Data, p.Extensions, p.NoFollowLinks = now.Data, now.Extensions, now.NoFollowLinks
	return p
}

// Values returns the number of values in an embedding: the product of FeatureShape.
func (m Manifest) Values() int {
	n := 1
	for _, d := range m.FeatureShape {
		n *= d
	}
	return n
}

// maxValues is the largest number of values in an embedding (512 MiB as float32).
const maxValues = 1 << 27

// Check returns an error if m is unusable.
func (m Manifest) Check() error {
	if m.DType.bytes() == 0 {
		return fmt.Errorf("dtype %q is neither %s nor %s", m.DType, Float32, Float16)
	}
	if p := m.Compute.Precision; p != "" && p.bytes() == 0 {
		return fmt.Errorf("precision %q is neither %s nor %s", p, Float32, Float16)
	}
	if len(m.FeatureShape) == 0 || len(m.FeatureShape) > 8 {
		return fmt.Errorf("feature shape %v has no use", m.FeatureShape)
	}
	n := 1
	for _, d := range m.FeatureShape {
		if d < 1 || d > maxValues/n {
			return fmt.Errorf("feature shape %v is empty or too large", m.FeatureShape)
		}
		n *= d
	}
	if m.Views < 0 {
		return fmt.Errorf("%d views", m.Views)
	}
	seen := map[string]bool{}
	for _, c := range m.Classes {
		if c == "" || seen[c] {
			return fmt.Errorf("class %q is empty or there twice", c)
		}
		seen[c] = true
	}
	return m.Preprocess.Check()
}

// Diff returns the differences between the identities of the store m and of now, one sentence each. It is empty if
// rows of both may share a store.
func (m Manifest) Diff(now Manifest) []string {
	var d []string
	differ := func(what string, stored, here any) {
		if !reflect.DeepEqual(stored, here) {
			d = append(d, fmt.Sprintf("%s: %v in the store, %v now", what, stored, here))
		}
	}
	hash := func(what, stored, storedSHA, here, hereSHA string) {
		if storedSHA != hereSHA {
			d = append(d, fmt.Sprintf("%s: %s (sha256 %.12s) in the store, %s (sha256 %.12s) now", what, stored,
				storedSHA, here, hereSHA))
		}
	}
	differ("backbone", m.Backbone, now.Backbone)
	hash("graph", m.Backbone, m.GraphSHA256, now.Backbone, now.GraphSHA256)
	hash("weights", m.Weights, m.WeightsSHA256, now.Weights, now.WeightsSHA256)
	a, b := m.Preprocess, now.Preprocess
	differ("preprocessing mode", a.Mode, b.Mode)
	differ("resize", a.Resize, b.Resize)
	differ("crop", a.Crop, b.Crop)
	differ("interpolation", a.Interpolation, b.Interpolation)
	differ("mean", a.Mean, b.Mean)
	differ("std", a.Std, b.Std)
	differ("EXIF orientation", m.EXIF, now.EXIF)
	differ("decoder", m.Decoder, now.Decoder)
	differ("fast decode", m.FastDecode, now.FastDecode)
	differ("provider", m.Compute.String(), now.Compute.String())
	differ("dtype", m.DType, now.DType)
	if !slices.Equal(m.FeatureShape, now.FeatureShape) {
		differ("feature shape", fmt.Sprint(m.FeatureShape), fmt.Sprint(now.FeatureShape))
	}
	if m.Views > 0 && now.Views > 0 { // the centre view does not depend on the seed
		differ("seed of the random views", m.Seed, now.Seed)
	}
	return d
}

// identity returns a hash of what Diff compares, without the seed. Every shard contains it, so that shards of other
// stores are detected.
func (m Manifest) identity() string {
	p := m.Preprocess
	text := fmt.Sprintf("graph %s\nweights %s\nresize %d crop %d %s\nmean %v std %v\nexif %s\ndecoder %s\nprovider "+
		"%s\ndtype %s\nshape %v\n",
		m.GraphSHA256, m.WeightsSHA256, p.Resize, p.Crop, p.Interpolation, p.Mean, p.Std, m.EXIF, m.Decoder,
		m.Compute, m.DType, m.FeatureShape)
	// absent otherwise, so that the identity of older stores stays
	if m.FastDecode {
		text += "fast decode\n"
	}
	if p.Mode != preprocess.Crop {
		text += fmt.Sprintf("mode %s\n", p.Mode)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (m Manifest) encode() ([]byte, error) {
	m.FormatVersion, m.Provider = formatVersion, m.Compute.String()
	return checksum.Marshal(m)
}

// ReadManifest reads the manifest of the store in dir.
func ReadManifest(dir string) (Manifest, error) {
	path := filepath.Join(dir, manifestFile)
	text, err := userfile.ReadJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, noManifest(dir, err)
	}
	if errors.Is(err, userfile.ErrTooLarge) {
		return Manifest{}, fail.Wrap(fail.Store, err, makeAgain, "%s is damaged", path)
	}
	if err != nil {
		return Manifest{}, fail.Wrap(fail.Usage, err, "Name the folder that `fx extract --out` wrote.",
			"cannot read %s", path)
	}
	return decodeManifest(path, text)
}

func noManifest(dir string, err error) error {
	if names, listErr := listShards(dir); listErr == nil && len(names) > 0 {
		return fail.New(fail.Store, "Put the manifest back, or delete the folder and run fx extract again.",
			"%s holds %d shards but no %s, which says what made them", dir, len(names), manifestFile)
	}
	return fail.Wrap(fail.Usage, err, "Name the folder that `fx extract --out` wrote.", "no embedding store in %s", dir)
}

// makeAgain is the hint for an unusable manifest.
const makeAgain = "Delete the store's folder and run fx extract again."

func decodeManifest(path string, text []byte) (Manifest, error) {
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return Manifest{}, fail.Wrap(fail.Store, err, makeAgain, "%s is damaged", path)
	}
	if version.FormatVersion > formatVersion {
		return Manifest{}, fail.New(fail.Usage, "Use that fx, or extract into another folder.",
			"%s is of a newer fx: format %d, and this fx knows formats up to "+
				"%d", path, version.FormatVersion, formatVersion)
	}
	if version.FormatVersion < 1 {
		return Manifest{}, fail.New(fail.Store, makeAgain, "%s is damaged: format_version %d", path,
			version.FormatVersion)
	}
	if err := checksum.Verify(path, text); err != nil {
		return Manifest{}, fail.Wrap(fail.Store, err, checksum.Hint, "")
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fail.Wrap(fail.Store, err, makeAgain, "%s is damaged", path)
	}
	if m.Compute == (Compute{}) {
		m.readOlder()
	}
	if err := m.Check(); err != nil {
		return Manifest{}, fail.Wrap(fail.Store, err, makeAgain, "%s is damaged", path)
	}
	return m, nil
}

// readOlder sets the fields that a manifest of an older fx has only as text.
func (m *Manifest) readOlder() {
	m.Compute = olderCompute(m.Provider)
	m.Made.Untrained = weights.OlderUntrained(m.Made.Notes)
	if ref, err := weights.ParseRef(m.Weights); err == nil && ref.Random() && m.Made.WeightsFile.IsZero() {
		m.Made.WeightsFile = ref
	}
}
