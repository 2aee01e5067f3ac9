package backbones

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
	"fx/internal/weights"
)

// FileOptions describes an ONNX file. Options that are set override the file's metadata.
type FileOptions struct {
	Resize, Crop  int                // pixels, see preprocess.Spec; 0 means the file's
	FeatureTensor string             // "" means the file's
	Weights       *weights.StateDict // instead of the file's own, see LoadFile; nil keeps them

	Normalization preprocess.Normalization // zero means the file's
}

const exporterHint = "scripts/export_onnx writes files that say all of this themselves."

// FromFile opens the user's own ONNX file as a backbone, with its model for Features.
// The file is one that scripts/export_onnx, Save or Classifier wrote, or any network
// with one input of float32, or of uint8 that it normalises itself, in the layout
// [batch, 3, height, width] or [batch, height, width, 3].
//
// Without metadata (the keys fx.preprocess, fx.features, fx.head), the features are the
// input of the classifier at the end, a matrix product or 1×1 convolution; mean and
// standard deviation are ImageNet's, or none for a network that begins with its own
// normalization by constants; Backbone.Notes lists the assumptions. If something
// can't be inferred, the error is of kind fail.Usage and asks for --resize, --crop or
// --feature-tensor. A file that is not a valid model is an error of kind fail.Model.
func FromFile(path string, options FileOptions) (Backbone, *pb.ModelProto, error) {
	m, err := LoadFile(path, options.Weights)
	if err != nil {
		return Backbone{}, nil, err
	}
	b := Backbone{File: path, Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)),
		Licence: "as its author says"}
	if name, ok := onnx.Metadata(m, MetaBackbone); ok && name != "" {
		b.Name = name
	}
	b.Title = b.Name + ", from a file"
	if len(m.Graph.Output) == 0 {
		return b, nil, fail.New(fail.Model, exporterHint, "ONNX file %s has no output", path)
	}
	if err := ToInference(m.Graph); err != nil {
		return b, nil, fail.Wrap(fail.Model, err, "Export the network in evaluation mode.", "ONNX file %s", path)
	}
	for _, n := range m.Graph.Node {
		if strings.HasPrefix(n.OpType, "Random") && len(n.Input) > 0 || n.OpType == "Bernoulli" {
			b.Notes = append(b.Notes, fmt.Sprintf("%s draws random numbers (%s, node %q), and so do its features: "+
				"export it in evaluation mode, or with scripts/export_onnx", path, n.OpType, n.Name))
			break
		}
	}
	size, err := b.readInput(m)
	if err != nil {
		return b, nil, fail.Wrap(fail.Model, err,
			"Export the network with one input: a batch of images. "+exporterHint, "ONNX file %s", path)
	}
	if err := b.readPreprocess(m, size, options); err != nil {
		return b, nil, err
	}
	if err := b.readFeatures(m, options); err != nil {
		return b, nil, err
	}
	return b, m, nil
}

func (b *Backbone) readFeatures(m *pb.ModelProto, options FileOptions) error {
	ix := onnx.NewIndex(m.Graph)
	found := findClassifier(m.Graph, ix)
	name, ok := onnx.Metadata(m, MetaFeatures)
	if outputs := m.Graph.Output; !ok && len(outputs) > 1 {
		b.Notes = append(b.Notes, fmt.Sprintf("%s has %d outputs: the first, %q, is used", b.Name, len(outputs),
			outputs[0].Name))
	}
	switch {
	case options.FeatureTensor != "":
		b.FeatureTensor = options.FeatureTensor
	case ok:
		b.FeatureTensor = name
	case found.features != "":
		b.FeatureTensor = found.features
		b.Notes = append(b.Notes,
			fmt.Sprintf("%s does not name its feature tensor: fx uses %q, the input of its classifier", b.File,
				b.FeatureTensor))
	default:
		if slices.ContainsFunc(m.Graph.Node, quantizedOp) {
			return b.quantizedError(m.Graph)
		}
		return fail.New(fail.Usage,
			"Name the tensor to take the features from with --feature-tensor: "+lastTensors(m.Graph)+". "+exporterHint,
			"ONNX file %s does not say where its features are, and does not end in a known classifier", b.File)
	}
	if ix.Producer(b.FeatureTensor) == nil {
		return fail.New(fail.Usage, "Its last tensors are "+lastTensors(m.Graph)+".",
			"ONNX file %s has no tensor %q", b.File, b.FeatureTensor)
	}
	if quantized(b.FeatureTensor, ix) {
		return b.quantizedError(m.Graph)
	}
	_, dims, known := onnx.Shape(ix.Info(b.FeatureTensor))
	if known && len(dims) > 1 && !slices.Contains(dims[1:], -1) {
		for _, d := range dims[1:] {
			b.FeatureShape = append(b.FeatureShape, int(d))
		}
	}
	text, hasHead := onnx.Metadata(m, MetaHead)
	switch {
	case hasHead && (options.FeatureTensor == "" || options.FeatureTensor == name):
		if err := json.Unmarshal([]byte(text), &b.Head); err != nil {
			return fail.Wrap(fail.Model, err, exporterHint, "%s of ONNX file %s", MetaHead, b.File)
		}
	case b.FeatureTensor == found.features:
		b.Head = found.head
	case b.FeatureShape != nil:
		head, err := HeadFor(b.FeatureShape)
		if err != nil {
			return fail.Wrap(fail.Usage, err, "Name another tensor with --feature-tensor.", "ONNX file %s, tensor %q",
				b.File, b.FeatureTensor)
		}
		b.Head = head
	}
	if b.FeatureShape == nil && b.FeatureTensor == found.features {
		b.FeatureShape = found.shape
	}
	if b.FeatureShape == nil && b.Head.Kind == headspec.Linear {
		b.FeatureShape = []int{b.Head.In}
	}
	if b.FeatureShape == nil && b.Head.Positions() > 1 {
		b.FeatureShape = []int{b.Head.In, b.Head.Spatial[0], b.Head.Spatial[1]}
	}
	return b.checkHead()
}

func (b *Backbone) quantizedError(g *pb.GraphProto) error {
	return fail.New(fail.Usage, "Give the network as it was before its quantization, or name a float32 tensor with "+
		"--feature-tensor; the last tensors are "+lastTensors(g)+".",
		"ONNX file %s is quantized: its features are 8-bit integers, and fx takes float32", b.File)
}

// checkHead checks that the file's head fits its features.
func (b *Backbone) checkHead() error {
	if b.FeatureShape == nil || b.Head.Kind == "" {
		return nil // WithFeatureShape completes them
	}
	values := 1
	for _, d := range b.FeatureShape {
		values *= d
	}
	switch {
	case b.Head.Kind == headspec.Linear && b.Head.In == values:
		return nil
	case b.Head.Kind == headspec.Conv1x1 && len(b.FeatureShape) == 3 && b.Head.In == b.FeatureShape[0]:
		b.Head.Spatial = [2]int{b.FeatureShape[1], b.FeatureShape[2]}
		return nil
	}
	return fail.New(fail.Model, exporterHint, "ONNX file %s: a %s head of %d does not fit features of shape %v",
		b.File, b.Head.Kind, b.Head.In, b.FeatureShape)
}

// WithFeatureShape returns b with the shape of its features as ONNX Runtime infers it, if neither
// the registry nor the file has it (FeatureShape is nil). The network keeps its own head if that
// accepts such features, such as a convolution for a map of one position: a MODEL has the head
// that was trained.
func (b Backbone) WithFeatureShape(shape []int) (Backbone, error) {
	head, err := HeadFor(shape)
	if err != nil {
		return b, fail.Wrap(fail.Usage, err, "Name another tensor with --feature-tensor.", "%s, tensor %q", b.Name,
			b.FeatureTensor)
	}
	b = b.clone()
	b.FeatureShape = slices.Clone(shape)
	if b.checkHead() != nil || b.Head.Kind == "" {
		b.Head = head
	}
	return b, nil
}

// HeadFor returns the head that fx trains on features of this shape (of one
// photo): linear on [n], [n, 1, 1] and other vectors, conv1x1 on a map
// [channels, height, width].
func HeadFor(shape []int) (Head, error) {
	count := 1
	for _, d := range shape {
		if d < 1 {
			return Head{}, fmt.Errorf("features of shape %v", shape)
		}
		count *= d
	}
	if len(shape) == 3 && shape[1]*shape[2] > 1 {
		return Head{Kind: headspec.Conv1x1, In: shape[0], Spatial: [2]int{shape[1], shape[2]}, Weight: "head.weight",
			Bias: "head.bias"}, nil
	}
	return Head{Kind: headspec.Linear, In: count, Weight: "head.weight", Bias: "head.bias"}, nil
}
