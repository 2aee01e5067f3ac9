package backbones

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// FileOptions answers what an ONNX file does not say of itself; what is set
// wins over what the file says.
type FileOptions struct {
	Resize, Crop  int    // pixels, see preprocess.Spec; 0 leaves it to the file
	FeatureTensor string // "" leaves it to the file
}

const exporterHint = "scripts/export_onnx writes files that say all of this themselves."

// FromFile opens an ONNX file of the user's own as a backbone, with its model
// for Features. The file is one that scripts/export_onnx, Save or Classifier wrote,
// or any network with one input: float32 [batch, 3, height, width], or uint8
// [batch, height, width, 3] that it normalises itself.
//
// Where the metadata does not say (the keys fx.preprocess, fx.features, fx.head), the
// features are the input of the classifier at the end, a matrix product or 1×1
// convolution; mean and deviation are ImageNet's; what was assumed is in
// Backbone.Notes. What cannot be told is an error of kind fail.Usage that asks
// for --resize, --crop or --feature-tensor. A file that is no sound model is
// fail.Model.
func FromFile(path string, options FileOptions) (Backbone, *pb.ModelProto, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return Backbone{}, nil, err
	}
	b := Backbone{File: path, Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Licence: "as its author says"}
	if name, ok := onnx.Metadata(m, MetaBackbone); ok && name != "" {
		b.Name = name
	}
	b.Title = b.Name + ", from a file"
	if len(m.Graph.Output) == 0 {
		return b, nil, fail.New(fail.Model, exporterHint, "ONNX file %s has no output", path)
	}
	if err := toInference(m.Graph); err != nil {
		return b, nil, fail.Wrap(fail.Model, err, "Export the network in evaluation mode.", "ONNX file %s", path)
	}
	size, err := b.readInput(m)
	if err != nil {
		return b, nil, fail.Wrap(fail.Model, err, "Export the network with one input: a batch of images. "+exporterHint, "ONNX file %s", path)
	}
	if err := b.readPreprocess(m, size, options); err != nil {
		return b, nil, err
	}
	if err := b.readFeatures(m, options); err != nil {
		return b, nil, err
	}
	return b, m, nil
}

// readInput sets the batch size and returns the side that the input fixes, 0
// where it is free.
func (b *Backbone) readInput(m *pb.ModelProto) (int, error) {
	input, err := imageInput(m.Graph)
	if err != nil {
		return 0, err
	}
	dtype, dims, ok := onnx.Shape(input)
	if !ok || len(dims) != 4 {
		return 0, fmt.Errorf("its input %q has %d dimensions, where a batch of images has 4", input.Name, len(dims))
	}
	channels, height, width := dims[1], dims[2], dims[3]
	switch dtype {
	case pb.TensorProto_FLOAT:
	case pb.TensorProto_UINT8:
		height, width, channels = dims[1], dims[2], dims[3]
	default:
		return 0, fmt.Errorf("its input %q is %v, where float32 or uint8 is expected", input.Name, dtype)
	}
	if channels >= 0 && channels != 3 {
		return 0, fmt.Errorf("its input %q has shape %v, where 3 channels are expected ([batch, 3, height, width] for float32)", input.Name, dims)
	}
	if height != width && height >= 0 && width >= 0 {
		return 0, fmt.Errorf("its input %q is %d×%d, and fx feeds squares only", input.Name, height, width)
	}
	if dims[0] > 0 {
		b.Batch = int(dims[0])
	}
	return int(max(height, width, 0)), nil
}

func (b *Backbone) readPreprocess(m *pb.ModelProto, size int, options FileOptions) error {
	text, told := onnx.Metadata(m, MetaPreprocess)
	if told {
		if err := json.Unmarshal([]byte(text), &b.Preprocess); err != nil {
			return fail.Wrap(fail.Model, err, exporterHint, "%s of ONNX file %s", MetaPreprocess, b.File)
		}
	} else {
		b.Preprocess = preprocess.ImageNet(0, size)
		b.Notes = append(b.Notes, fmt.Sprintf("%s does not say how its images are normalised: ImageNet's mean and deviation and bilinear resizing are assumed", b.File))
	}
	if options.Resize > 0 {
		b.Preprocess.Resize = options.Resize
	}
	if options.Crop > 0 {
		b.Preprocess.Crop = options.Crop
	}
	var flags []string
	if b.Preprocess.Resize == 0 {
		flags = append(flags, "--resize")
	}
	if b.Preprocess.Crop == 0 {
		flags = append(flags, "--crop")
	}
	if len(flags) > 0 {
		return fail.New(fail.Usage, fmt.Sprintf("Give %s in pixels, as the network was trained. %s", strings.Join(flags, " and "), exporterHint),
			"ONNX file %s does not say how its images are resized and cropped", b.File)
	}
	if err := b.Preprocess.Check(); err != nil {
		return fail.Wrap(fail.Usage, err, exporterHint, "preprocessing of ONNX file %s", b.File)
	}
	if size > 0 && b.Preprocess.Crop != size {
		return fail.New(fail.Usage, fmt.Sprintf("Give --crop %d.", size),
			"ONNX file %s takes images of %d×%d pixels, not the %d of the crop", b.File, size, size, b.Preprocess.Crop)
	}
	return nil
}

func (b *Backbone) readFeatures(m *pb.ModelProto, options FileOptions) error {
	ix := onnx.NewIndex(m.Graph)
	name, told := onnx.Metadata(m, MetaFeatures)
	text, hasHead := onnx.Metadata(m, MetaHead)
	switch {
	case options.FeatureTensor != "":
		b.FeatureTensor = options.FeatureTensor
		hasHead = hasHead && name == options.FeatureTensor
	case told:
		b.FeatureTensor = name
	default:
		head, tensor := findClassifier(m.Graph, ix)
		if tensor == "" {
			return fail.New(fail.Usage, "Name the tensor to take the features from with --feature-tensor: "+lastTensors(m.Graph)+". "+exporterHint,
				"ONNX file %s does not say where its features are, and does not end in a classifier", b.File)
		}
		b.FeatureTensor, b.Head = tensor, head
		b.Notes = append(b.Notes, fmt.Sprintf("%s does not say where its features are: the input %q of its classifier %q is taken", b.File, tensor, head.Weight))
	}
	if ix.Producer(b.FeatureTensor) == nil {
		return fail.New(fail.Usage, "Its last tensors are "+lastTensors(m.Graph)+".",
			"ONNX file %s has no tensor %q", b.File, b.FeatureTensor)
	}
	if hasHead {
		if err := json.Unmarshal([]byte(text), &b.Head); err != nil {
			return fail.Wrap(fail.Model, err, exporterHint, "%s of ONNX file %s", MetaHead, b.File)
		}
	} else if b.Head.Kind == "" {
		b.Head = consumerHead(b.FeatureTensor, ix)
	}
	b.FeatureShape = featureShape(b.Head, ix.Info(b.FeatureTensor))
	if b.Head.Kind == "" && b.FeatureShape != nil {
		head, err := HeadFor(b.FeatureShape)
		if err != nil {
			return fail.Wrap(fail.Usage, err, "Name another tensor with --feature-tensor.", "ONNX file %s, tensor %q", b.File, b.FeatureTensor)
		}
		b.Head = head
	}
	return nil
}

// WithFeatureShape returns b with the shape of its features as ONNX Runtime
// tells it, where the file does not (FeatureShape is nil then).
func (b Backbone) WithFeatureShape(shape []int) (Backbone, error) {
	head, err := HeadFor(shape)
	if err != nil {
		return b, fail.Wrap(fail.Usage, err, "Name another tensor with --feature-tensor.", "ONNX file %s, tensor %q", b.File, b.FeatureTensor)
	}
	b = b.clone()
	b.FeatureShape = slices.Clone(shape)
	if b.Head.Kind == head.Kind && b.Head.In == head.In {
		b.Head.Spatial = head.Spatial
	} else {
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
		return Head{Kind: Conv1x1, In: shape[0], Spatial: [2]int{shape[1], shape[2]}, Weight: "head.weight", Bias: "head.bias"}, nil
	}
	return Head{Kind: Linear, In: count, Weight: "head.weight", Bias: "head.bias"}, nil
}

// featureShape takes the shape from what the graph says, else from the head.
func featureShape(h Head, info *pb.ValueInfoProto) []int {
	if _, dims, ok := onnx.Shape(info); ok && len(dims) > 1 && !slices.Contains(dims[1:], -1) {
		var shape []int
		for _, d := range dims[1:] {
			shape = append(shape, int(d))
		}
		return shape
	}
	switch {
	case h.Kind == Linear:
		return []int{h.In}
	case h.Kind == Conv1x1 && h.Positions() > 0:
		return []int{h.In, h.Spatial[0], h.Spatial[1]}
	}
	return nil
}

// afterClassifier are the operators that may follow a network's last layer.
var afterClassifier = []string{
	"Softmax", "LogSoftmax", "Sigmoid", "Identity", "Flatten", "Reshape", "Squeeze", "Cast", "Relu",
	"GlobalAveragePool", "AveragePool", "ReduceMean",
}

// findClassifier walks back from the first output to the matrix product or 1×1
// convolution that makes the logits, and returns what it is and its input; ""
// where the network does not end in one.
func findClassifier(g *pb.GraphProto, ix *onnx.Index) (Head, string) {
	value := g.Output[0].Name
	for range g.Node {
		n := ix.Producer(value)
		switch {
		case n == nil || len(n.Input) == 0:
			return Head{}, ""
		case classifierHead(n, ix).Kind != "":
			return classifierHead(n, ix), n.Input[0]
		case slices.Contains(afterClassifier, n.OpType):
			value = n.Input[0]
		case n.OpType == "Add" && ix.Constant(n.Input[0]) != nil: // the bias of a MatMul
			value = n.Input[1]
		case n.OpType == "Add" && ix.Constant(n.Input[1]) != nil:
			value = n.Input[0]
		default:
			return Head{}, ""
		}
	}
	return Head{}, ""
}

// consumerHead is the head whose input is the tensor, of no kind where there is
// none.
func consumerHead(tensor string, ix *onnx.Index) Head {
	for _, n := range ix.Consumers(tensor) {
		if h := classifierHead(n, ix); h.Kind != "" && n.Input[0] == tensor {
			return h
		}
	}
	return Head{}
}

// classifierHead reads n as a classifier with constant weights.
func classifierHead(n *pb.NodeProto, ix *onnx.Index) Head {
	if len(n.Input) < 2 || n.Domain != "" {
		return Head{}
	}
	dims, name := weightDims(n.Input[1], ix)
	h := Head{Weight: name}
	if len(n.Input) > 2 {
		h.Bias = n.Input[2]
	}
	switch {
	case n.OpType == "Gemm" && len(dims) == 2 && onnx.IntAttribute(n, "transA", 0) == 0:
		h.Kind, h.In, h.Classes = Linear, int(dims[0]), int(dims[1])
		if onnx.IntAttribute(n, "transB", 0) == 1 {
			h.In, h.Classes = h.Classes, h.In
		}
	case n.OpType == "MatMul" && len(dims) == 2:
		h.Kind, h.In, h.Classes = Linear, int(dims[0]), int(dims[1])
	case n.OpType == "Conv" && len(dims) == 4 && dims[2] == 1 && dims[3] == 1 && onnx.IntAttribute(n, "group", 1) == 1:
		h.Kind, h.In, h.Classes = Conv1x1, int(dims[1]), int(dims[0])
		if _, shape, ok := onnx.Shape(ix.Info(n.Input[0])); ok && len(shape) == 4 && shape[2] > 0 && shape[3] > 0 {
			h.Spatial = [2]int{int(shape[2]), int(shape[3])}
		}
	default:
		return Head{}
	}
	return h
}

// weightDims returns the dimensions and name of a constant weight, seen through
// a Transpose of the two dimensions of a matrix.
func weightDims(value string, ix *onnx.Index) ([]int64, string) {
	if t := ix.Constant(value); t != nil {
		return t.Dims, value
	}
	if n := ix.Producer(value); n != nil && n.OpType == "Transpose" {
		if t := ix.Constant(n.Input[0]); t != nil && len(t.Dims) == 2 {
			return []int64{t.Dims[1], t.Dims[0]}, n.Input[0]
		}
	}
	return nil, ""
}

// lastTensors lists the ends of the network, for a message.
func lastTensors(g *pb.GraphProto) string {
	var names []string
	for _, n := range slices.Backward(g.Node) {
		if n.OpType != "Constant" && len(n.Output) > 0 && len(names) < 6 {
			names = append(names, fmt.Sprintf("%s (%s)", n.Output[0], n.OpType))
		}
	}
	return strings.Join(names, ", ")
}
