package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/paths"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// NetworkOptions names a network and its weights.
type NetworkOptions struct {
	Backbone      string // a registered name, or the path of an ONNX file
	Weights       string // a file, "seed:N", or "" to look for the official ones; of an ONNX file "" for its own
	Resize, Crop  int    // pixels, 0 for the network's own
	FeatureTensor string // of a user's ONNX file, "" for what the file says
	SHA256        string // that the weights must have, "" for any

	Lock      lockfile.Lock // obeyed where weights are looked for; Network.Inputs are what it is to hold
	LookedFor bool          // Weights is a file that was looked for before, not one that the user named
}

// Network is a network whose weights are known by hash, not yet on a device.
type Network struct {
	Backbone      backbones.Backbone
	Weights       string // absolute path of the file, or "seed:N"
	WeightsOrigin string // where the file was found
	WeightsSHA256 string
	Found         []string         // places that did not serve, and what was taken in the end
	Notes         []string         // that belong wherever results are shown
	Inputs        []lockfile.Input // the weights, where fx found or fetched them

	model *pb.ModelProto        // of a user's ONNX file
	file  backbones.FileOptions // with which it was opened
	state *weights.StateDict    // of a registered network, once read
}

// seedPrefix starts a --weights value that asks for random weights.
const seedPrefix = "seed:"

// seedOrigin is the WeightsOrigin of weights that a seed made.
const seedOrigin = "a seed"

// OpenNetwork finds the weights of a network. The weights are hashed here and
// assembled into the graph by Features.
func OpenNetwork(ctx context.Context, o NetworkOptions, report progress.Reporter) (*Network, error) {
	if o.Resize < 0 || o.Crop < 0 {
		return nil, fail.New(fail.Usage, "Leave them out for the network's own.", "--resize %d and --crop %d must not be negative", o.Resize, o.Crop)
	}
	n := &Network{}
	var err error
	if strings.HasSuffix(strings.ToLower(o.Backbone), ".onnx") {
		err = n.openFile(ctx, o)
	} else {
		err = n.openRegistered(ctx, o, report)
	}
	if err == nil {
		err = n.checkFinite()
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// openFile takes a user's ONNX file: graph, weights unless others are named,
// and, as far as it says so, preprocessing.
func (n *Network) openFile(ctx context.Context, o NetworkOptions) error {
	if strings.HasPrefix(o.Weights, seedPrefix) {
		return fail.New(fail.Usage, "Export the network with random weights instead: scripts/export_onnx does so unless told otherwise.",
			"--weights %s with the file %s: fx draws weights for registered networks only", o.Weights, o.Backbone)
	}
	path := paths.Absolute(o.Backbone)
	n.Weights, n.WeightsOrigin = path, "the ONNX file"
	n.file = backbones.FileOptions{Resize: o.Resize, Crop: o.Crop, FeatureTensor: o.FeatureTensor}
	made := ""
	if o.Weights != "" {
		values, _, err := readWeights(ctx, o.Weights)
		if err != nil {
			return err
		}
		n.Weights, n.WeightsOrigin = paths.Absolute(o.Weights), source.FromFlag
		n.file.Weights, made = values, values.Metadata[backbones.MetaWeights]
	}
	type network struct {
		backbone backbones.Backbone
		model    *pb.ModelProto
	}
	file := n.file
	read, err := userfile.Abandon(ctx, func() (network, error) {
		b, m, err := backbones.FromFile(path, file)
		return network{b, m}, err
	})
	if err != nil {
		return err
	}
	n.Backbone, n.model = read.backbone, read.model
	if o.Weights == "" {
		made, _ = onnx.Metadata(n.model, backbones.MetaWeights)
	}
	n.Notes = slices.Clone(n.Backbone.Notes)
	n.noteRandom(made)
	n.WeightsSHA256, err = modelSHA256(n.model)
	if err == nil && o.SHA256 != "" && n.WeightsSHA256 != o.SHA256 {
		return otherWeights(n.Weights, n.WeightsSHA256, o.SHA256)
	}
	return err
}

// readWeights is weights.Read until ctx ends: a large file takes seconds.
func readWeights(ctx context.Context, path string) (*weights.StateDict, weights.Info, error) {
	type content struct {
		state *weights.StateDict
		info  weights.Info
	}
	read, err := userfile.Abandon(ctx, func() (content, error) {
		state, info, err := weights.Read(path)
		return content{state, info}, err
	})
	return read.state, read.info, err
}

// noteRandom tells of weights whose file says that nobody trained them.
func (n *Network) noteRandom(made string) {
	if made == "random" || strings.HasPrefix(made, seedPrefix) {
		n.Notes = append(n.Notes, fmt.Sprintf("the weights in %s are random (%s), not trained", filepath.Base(n.Weights), made))
	}
}

func otherWeights(path, got, want string) error {
	return fail.New(fail.Model, "Put the file back that the model was trained on, or train it again.",
		"%s is not what the model was trained on: its weights have SHA-256 %.12s…, not %.12s…", path, got, want)
}

func (n *Network) openRegistered(ctx context.Context, o NetworkOptions, report progress.Reporter) error {
	b, err := backbones.Lookup(o.Backbone)
	if err != nil {
		return err
	}
	if o.Resize > 0 {
		b.Preprocess.Resize = o.Resize
	}
	if o.Crop > 0 && o.Crop != b.Preprocess.Crop {
		b.Preprocess.Crop = o.Crop
		b.FeatureShape = nil // a map may have another size now: ONNX Runtime will tell
	}
	if err := b.Preprocess.Check(); err != nil {
		return fail.Wrap(fail.Usage, err, "Leave --resize and --crop out for the network's own.", "--resize and --crop")
	}
	if o.FeatureTensor != "" {
		return fail.New(fail.Usage, "Leave --feature-tensor out: it is for ONNX files of your own.", "--feature-tensor with the registered network %s", b.Name)
	}
	n.Backbone = b
	if text, ok := strings.CutPrefix(o.Weights, seedPrefix); ok {
		return n.seedWeights(text, o)
	}
	found, err := source.Find(ctx, source.Request{Name: b.Name, Official: b.Weights, Explicit: o.Weights, Lock: o.Lock}, report)
	if err != nil {
		return err
	}
	if found.Input.Name != "" {
		n.Inputs = []lockfile.Input{found.Input}
	}
	if strings.HasSuffix(found.Path, ".onnx") {
		o.Weights, o.Backbone = "", found.Path
		if err := n.openFile(ctx, o); err != nil || len(n.Inputs) == 0 {
			return err
		}
		n.Inputs[0].SHA256 = n.WeightsSHA256 // of external data too, which the file's own does not cover
		return o.Lock.Check(n.Inputs[0])
	}
	n.Weights, n.WeightsOrigin, n.Found = paths.Absolute(found.Path), found.Origin, found.Notes
	var info weights.Info
	if n.state, info, err = readWeights(ctx, found.Path); err != nil {
		return err
	}
	n.WeightsSHA256 = info.SHA256
	if info.SHA256 != found.SHA256 {
		return fail.New(fail.Model, "Run it again.", "%s was written to while fx read it", found.Path)
	}
	if o.LookedFor {
		n.Inputs = []lockfile.Input{source.InputOf(b.Name, found.Path, info.SHA256, info.Bytes)}
		if err := o.Lock.Check(n.Inputs[0]); err != nil {
			return err
		}
	}
	n.noteRandom(n.state.Metadata[backbones.MetaWeights])
	if o.SHA256 != "" && info.SHA256 != o.SHA256 {
		return otherWeights(n.Weights, info.SHA256, o.SHA256)
	}
	return nil
}

func (n *Network) seedWeights(text string, o NetworkOptions) error {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fail.New(fail.Usage, "Write a whole number, such as --weights seed:0.", "%q is no seed", o.Weights)
	}
	n.Weights, n.WeightsOrigin = o.Weights, seedOrigin
	n.Notes = append(n.Notes, fmt.Sprintf("the weights are random numbers of seed %d, not trained", seed))
	if n.state, err = backbones.SeedWeights(n.Backbone, seed); err != nil {
		return err
	}
	n.WeightsSHA256 = stateSHA256(n.state)
	if o.SHA256 != "" && n.WeightsSHA256 != o.SHA256 { // an fx that seeds otherwise
		return otherWeights(n.Weights, n.WeightsSHA256, o.SHA256)
	}
	return nil
}

// Features returns the network cut at its features, uint8 images in.
func (n *Network) Features() (*pb.ModelProto, error) {
	full, err := n.Full()
	if err != nil {
		return nil, err
	}
	return backbones.Features(full, n.Backbone)
}

// Full returns the whole network with its own head, in inference form.
func (n *Network) Full() (*pb.ModelProto, error) {
	if n.model != nil {
		return n.model, nil
	}
	return backbones.Assemble(n.Backbone, n.state)
}

// State returns the network's weights under torchvision's names. A user's ONNX
// file has none apart from its graph: the error says so.
func (n *Network) State() (*weights.StateDict, error) {
	if n.state == nil {
		return nil, fail.New(fail.Usage, "The ONNX file holds them itself.", "%s has no weights apart from its graph", n.Backbone.File)
	}
	return n.state, nil
}

// FileOptions are those with which a user's ONNX file was opened.
func (n *Network) FileOptions() backbones.FileOptions { return n.file }

// Description returns what n says of itself without its weights, which are
// often the largest thing in memory. It can't be assembled.
func (n *Network) Description() *Network {
	return &Network{Backbone: n.Backbone, file: n.file, Weights: n.Weights, WeightsOrigin: n.WeightsOrigin, WeightsSHA256: n.WeightsSHA256, Found: n.Found, Notes: n.Notes, Inputs: n.Inputs}
}

// Preprocess is what the network expects of a photo.
func (n *Network) Preprocess() preprocess.Spec { return n.Backbone.Preprocess }

// stateSHA256 is the hash of weights that are in no file: names, types, shapes and data in order.
func stateSHA256(state *weights.StateDict) string {
	h := sha256.New()
	for _, name := range state.Names() {
		t, _ := state.Get(name)
		fmt.Fprintf(h, "%s %s %v\n", name, t.DType, t.Shape)
		_, _ = h.Write(t.Data) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// modelSHA256 is the hash of all that an ONNX file computes with: a file whose
// metadata alone changed is the same network.
func modelSHA256(m *pb.ModelProto) (string, error) {
	bare := onnx.Clone(m)
	bare.MetadataProps = nil
	data, err := onnx.Marshal(bare)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
