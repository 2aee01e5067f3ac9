package backbones

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/paths"
	"fx/internal/preprocess"
	"fx/internal/pretrained"
	"fx/internal/progress"
	"fx/internal/userfile"
	"fx/internal/weights"
)

// NetworkOptions names a network and its weights.
type NetworkOptions struct {
	Backbone      string      // a registered name, or the path of an ONNX file
	Weights       weights.Ref // zero for the official ones, or for an ONNX file's own
	Resize, Crop  int         // pixels, 0 for the network's own
	FeatureTensor string      // of a user's ONNX file, "" for the one in its metadata
	Pool          Pool        // of a registered transformer, "" for its own or the one in its name
	SHA256        string      // that the weights must have, "" for any

	Normalization preprocess.Normalization // of a user's ONNX file, zero for its own

	Lock      lockfile.Lock // applied when weights are looked for; Description.Inputs are its entries
	LookedFor bool          // Weights is the result of an earlier look-up, not named by the user
}

// Description describes a network and the origin of its weights.
type Description struct {
	Backbone      Backbone
	Weights       weights.Ref // a file has an absolute path, which may be the ONNX file's own
	WeightsOrigin string      // where the file was found, for people
	WeightsSHA256 string
	Found         []string         // rejected places, then the chosen one
	Notes         []string         // to show with results
	Untrained     string           // the note that the weights are random, "" if they are trained
	Inputs        []lockfile.Input // the weights, if fx found or fetched them
}

// Network is a network with hashed weights in memory, not on a device.
type Network struct {
	Description

	model *pb.ModelProto     // of a user's ONNX file
	file  FileOptions        // that it was opened with
	state *weights.StateDict // of a registered network
}

// Open finds a network and its weights, and reads and hashes them. Errors: fail.Usage for
// a wrong name or option, fail.Model for unusable weights, pretrained.ErrNowhere if the
// official weights are not available.
func Open(ctx context.Context, o NetworkOptions, report progress.Reporter) (*Network, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	n := &Network{}
	var err error
	if IsFile(o.Backbone) {
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

// OpenInitial is Open with InitialWeights instead of o.Weights, for training from scratch.
func OpenInitial(o NetworkOptions, seed uint64) (*Network, error) {
	if IsFile(o.Backbone) {
		return nil, fail.New(fail.Usage,
			"Omit --scratch, and export the network with random weights, which is the default of scripts/export_onnx.",
			"--scratch draws weights as the constructor of a registered network does, but the rule of %s is "+
				"unknown", o.Backbone)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := registered(o)
	if err != nil {
		return nil, err
	}
	n := &Network{Description: Description{Backbone: b}}
	n.state, err = InitialWeights(b, seed)
	if err != nil {
		return nil, err
	}
	n.drawn(weights.Ref{Draw: weights.Constructor, Seed: seed},
		fmt.Sprintf("the weights are random numbers of seed %d, drawn like those of its constructor in PyTorch, not "+
			"trained", seed))
	return n, nil
}

func (o NetworkOptions) check() error {
	if o.Resize < 0 || o.Crop < 0 {
		return fail.New(fail.Usage, "Omit them to use the network's own.",
			"--resize %d and --crop %d must not be negative", o.Resize, o.Crop)
	}
	if o.Pool != "" && IsFile(o.Backbone) {
		return fail.New(fail.Usage, "Name the tensor to take the features from with --feature-tensor.",
			"--pool %s with the file %s: fx knows the tokens of registered networks only", o.Pool, o.Backbone)
	}
	return nil
}

// IsFile reports whether a name is the path of an ONNX file, not of a registered network.
func IsFile(backbone string) bool { return strings.EqualFold(filepath.Ext(backbone), ".onnx") }

// openFile opens a user's ONNX file: its graph, its weights unless others are named, and
// its preprocessing if the metadata has it.
func (n *Network) openFile(ctx context.Context, o NetworkOptions) error {
	if o.Weights.Random() {
		return fail.New(fail.Usage,
			"Export the network with random weights instead, which is the default of scripts/export_onnx.",
			"--weights %s with the file %s: fx draws weights for registered networks only", o.Weights, o.Backbone)
	}
	path := paths.Absolute(o.Backbone)
	n.Weights, n.WeightsOrigin = weights.File(path), "the ONNX file"
	n.file = FileOptions{Resize: o.Resize, Crop: o.Crop, FeatureTensor: o.FeatureTensor,
		Normalization: o.Normalization}
	made := ""
	if !o.Weights.IsZero() {
		values, _, err := readWeights(ctx, o.Weights.File)
		if err != nil {
			return err
		}
		n.Weights, n.WeightsOrigin = o.Weights.Absolute(), pretrained.FromFlag
		n.file.Weights, made = values, values.Metadata[metaWeights]
	}
	type network struct {
		backbone Backbone
		model    *pb.ModelProto
	}
	file := n.file
	read, err := userfile.Abandon(ctx, func() (network, error) {
		b, m, err := FromFile(path, file)
		return network{b, m}, err
	})
	if err != nil {
		return err
	}
	n.Backbone, n.model = read.backbone, read.model
	if o.Weights.IsZero() {
		made, _ = onnx.Metadata(n.model, metaWeights)
	}
	n.Notes = slices.Clone(n.Backbone.Notes)
	n.noteRandom(made)
	n.WeightsSHA256, err = modelSHA256(n.model)
	if err == nil && o.SHA256 != "" && n.WeightsSHA256 != o.SHA256 {
		return otherWeights(n.Weights.File, n.WeightsSHA256, o.SHA256)
	}
	return err
}

// readWeights is weights.Read with ctx: a large file takes seconds.
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

// noteRandom adds a note if the metadata of the weights says that they are random.
func (n *Network) noteRandom(made string) {
	if madeAtRandom(made) {
		n.noteUntrained(fmt.Sprintf("the weights in %s are random (%s), not trained", n.Weights.Name(), made))
	}
}

// madeAtRandom reports whether the text under metaWeights means random weights.
func madeAtRandom(made string) bool {
	ref, err := weights.ParseRef(made)
	return made == madeRandom || err == nil && ref.Random()
}

func (n *Network) noteUntrained(note string) {
	n.Notes, n.Untrained = append(n.Notes, note), note
}

func otherWeights(path, got, want string) error {
	return fail.New(fail.Model, "Restore the file that the model was trained on, or train it again.",
		"%s is not what the model was trained on: its weights have SHA-256 %.12s…, not %.12s…", path, got, want)
}

// registered looks up a network and applies o's preprocessing.
func registered(o NetworkOptions) (Backbone, error) {
	b, err := Lookup(o.Backbone)
	if err != nil {
		return b, fail.Wrap(fail.Usage, err, fail.HintOf(err)+" For other networks of torchvision or timm, "+
			"scripts/export_onnx writes one.", "")
	}
	if o.Resize > 0 {
		b.Preprocess.Resize = o.Resize
	}
	if o.Crop > 0 && o.Crop != b.Preprocess.Crop {
		b.Preprocess.Crop = o.Crop
		if b.row.Tokens == nil {
			b.FeatureShape = nil // a map may have another size now: ONNX Runtime infers it
		}
	}
	if o.Pool != "" {
		if b, err = b.WithPool(o.Pool); err != nil {
			return b, err
		}
	}
	if err := b.checkCrop(); err != nil {
		return b, err
	}
	if err := b.Preprocess.Check(); err != nil {
		return b, fail.Wrap(fail.Usage, err, "Omit --resize and --crop to use the network's own.",
			"--resize and --crop")
	}
	if o.FeatureTensor != "" {
		return b, fail.New(fail.Usage, "Omit --feature-tensor: it is for your own ONNX files.",
			"--feature-tensor with the registered network %s", b.Name)
	}
	if o.Normalization != (preprocess.Normalization{}) {
		return b, fail.New(fail.Usage, "Omit --mean and --std: they are for your own ONNX files.",
			"--mean and --std with the registered network %s", b.Name)
	}
	return b, nil
}

func (n *Network) openRegistered(ctx context.Context, o NetworkOptions, report progress.Reporter) error {
	b, err := registered(o)
	if err != nil {
		return err
	}
	n.Backbone = b
	if o.Weights.Random() {
		return n.seedWeights(o)
	}
	found, err := pretrained.Find(ctx, pretrained.Request{Name: b.weightsName(), Official: b.Weights, Gated: b.Gated,
		Explicit: o.Weights.File, Lock: o.Lock}, report)
	if err != nil {
		return err
	}
	if found.Input.Name != "" {
		n.Inputs = []lockfile.Input{found.Input}
	}
	if IsFile(found.Path) {
		o.Weights, o.Backbone = weights.Ref{}, found.Path
		if err := n.openFile(ctx, o); err != nil {
			return err
		}
		if err := b.checkPool(n.Backbone); err != nil || len(n.Inputs) == 0 {
			return err
		}
		n.Inputs[0].SHA256 = n.WeightsSHA256 // includes external data, which the file's own hash does not
		return o.Lock.Check(n.Inputs[0])
	}
	n.Weights, n.WeightsOrigin, n.Found = weights.File(found.Path).Absolute(), found.Origin, found.Notes
	var info weights.Info
	if n.state, info, err = readWeights(ctx, found.Path); err != nil {
		return err
	}
	skeleton, err := Skeleton(b)
	if err != nil {
		return err
	}
	n.state = underNamesOf(skeleton.Graph, n.state)
	n.WeightsSHA256 = info.SHA256
	if info.SHA256 != found.SHA256 {
		return fail.New(fail.Model, "Run it again.", "%s changed while fx read it", found.Path)
	}
	if o.LookedFor {
		n.Inputs = []lockfile.Input{pretrained.InputOf(b.weightsName(), found.Path, info.SHA256, info.Bytes)}
		if err := o.Lock.Check(n.Inputs[0]); err != nil {
			return err
		}
	}
	n.noteRandom(n.state.Metadata[metaWeights])
	if o.SHA256 != "" && info.SHA256 != o.SHA256 {
		return otherWeights(n.Weights.File, info.SHA256, o.SHA256)
	}
	return nil
}

func (n *Network) seedWeights(o NetworkOptions) (err error) {
	if n.state, err = SeedWeights(n.Backbone, o.Weights.Seed); err != nil {
		return err
	}
	n.drawn(o.Weights, fmt.Sprintf("the weights are random numbers of seed %d, not trained", o.Weights.Seed))
	if o.SHA256 != "" && n.WeightsSHA256 != o.SHA256 { // from an fx with other random weights
		return otherWeights(n.Weights.String(), n.WeightsSHA256, o.SHA256)
	}
	return nil
}

// drawn sets the description of random weights in n.state.
func (n *Network) drawn(by weights.Ref, note string) {
	n.Weights, n.WeightsOrigin, n.WeightsSHA256 = by, "a seed", stateSHA256(n.state)
	n.noteUntrained(note)
}

// Features returns the network cut at its features, uint8 images in.
func (n *Network) Features() (*pb.ModelProto, error) {
	full, err := n.Full()
	if err != nil {
		return nil, err
	}
	return features(full, n.Backbone)
}

// Full returns the whole network with its own head, in inference form.
func (n *Network) Full() (*pb.ModelProto, error) {
	if n.model != nil {
		return n.model, nil
	}
	return Assemble(n.Backbone, n.state)
}

// State returns the network's weights under the names of its graph. For a user's ONNX file,
// which has none apart from its graph, it returns an error.
func (n *Network) State() (*weights.StateDict, error) {
	if n.state == nil {
		return nil, fail.New(fail.Usage, "The ONNX file contains them.", "%s has no weights apart from its graph",
			n.Backbone.File)
	}
	return n.state, nil
}

// FileOptions returns the options with which a user's ONNX file was opened.
func (n *Network) FileOptions() FileOptions { return n.file }

// stateSHA256 returns the hash of weights without a file: names, types, shapes and data in order.
func stateSHA256(state *weights.StateDict) string {
	h := sha256.New()
	for _, name := range state.Names() {
		t, _ := state.Get(name)
		fmt.Fprintf(h, "%s %s %v\n", name, t.DType, t.Shape)
		_, _ = h.Write(t.Data) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// modelSHA256 returns the hash of an ONNX file without its metadata: a file with other
// metadata is the same network.
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
