package backbones

import (
	"encoding/json"
	"fmt"

	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// ClassifierOptions of Classifier. With the zero value the model takes batches of resized
// and cropped photos.
type ClassifierOptions struct {
	// WithPreprocessing makes the model take one photo of any size: "image",
	// uint8 [height, width, 3] in RGB, resized and cropped in the graph with the
	// same pixels as Pillow and torchvision.
	WithPreprocessing bool
	// Metadata is added to the model's metadata_props, such as where it comes from.
	Metadata map[string]string
}

// Classifier adds a trained head to a feature model (Features): outputs
// "logits" and "probabilities", float32 [batch, classes], their softmax. weight
// is [classes, head.In], row-major, and bias [classes], as in torch. The class names
// are stored in the metadata in order. Batch normalizations that follow a convolution
// are folded into its weights. features is unchanged; tensor data is
// shared with it.
func Classifier(features *pb.ModelProto, head Head, classes []string, weight, bias []float32,
	options ClassifierOptions) (*pb.ModelProto, error) {
	if len(classes) < 1 || len(weight) != len(classes)*head.In || len(bias) != len(classes) {
		return nil, fail.New(fail.Model, "Train the head again with `fx fit-head`.",
			"a head of %d weights and %d biases does not fit %d features and %d "+
				"classes", len(weight), len(bias), head.In, len(classes))
	}
	var spec preprocess.Spec
	text, _ := onnx.Metadata(features, MetaPreprocess)
	if err := json.Unmarshal([]byte(text), &spec); err != nil || spec.Check() != nil {
		return nil, fail.New(fail.Model, "", "the feature model %q has no preprocessing in its metadata",
			features.Graph.Name)
	}
	m := onnx.Clone(features)
	if err := foldBatchNorm(m.Graph); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the network %s", m.Graph.Name)
	}
	batch, err := addHead(m, head, weight, bias, len(classes))
	if err != nil {
		return nil, err
	}
	if options.WithPreprocessing {
		if err := takeImage(m, spec); err != nil {
			return nil, err
		}
		batch = 1
	}
	m.Graph.Name = "classifier"
	m.Graph.Output = []*pb.ValueInfoProto{
		onnx.TensorInfo(logitsName, pb.TensorProto_FLOAT, batch, len(classes)),
		onnx.TensorInfo(probabilitiesName, pb.TensorProto_FLOAT, batch, len(classes)),
	}
	head.Classes = len(classes)
	setJSON(m, MetaHead, head)
	setJSON(m, metaClasses, classes)
	for key, value := range options.Metadata {
		onnx.SetMetadata(m, key, value)
	}
	return m, nil
}

// addHead adds the head's nodes and returns the first dimension of the logits,
// which is that of the features.
func addHead(m *pb.ModelProto, head Head, weight, bias []float32, classes int) (batch any, err error) {
	ix := onnx.NewIndex(m.Graph)
	if !ix.Has(FeaturesName) {
		return nil, fail.New(fail.Model, "", "the model %q has no %q for a head", m.Graph.Name, FeaturesName)
	}
	batch = "batch"
	_, shape, ok := onnx.Shape(ix.Output(FeaturesName))
	if ok && len(shape) > 0 && shape[0] > 0 {
		batch = shape[0]
	}
	name := func(given, other string) string {
		if given == "" || ix.Has(given) {
			return other
		}
		return given
	}
	b := onnx.NewBuilder(m.Graph, "")
	dims := []int64{int64(classes), int64(head.In)}
	if head.Kind == headspec.Conv1x1 {
		dims = append(dims, 1, 1)
	}
	w := b.Constant(onnx.NewFloat32(name(head.Weight, "head.weight"), dims, weight))
	v := b.Constant(onnx.NewFloat32(name(head.Bias, "head.bias"), dims[:1], bias))
	own := onnx.NewBuilder(m.Graph, ownPrefix)
	switch head.Kind {
	case headspec.Linear:
		x := FeaturesName
		if len(shape) != 2 {
			x = own.Op("Flatten", []string{x}, onnx.Int("axis", 1))
		}
		own.OpTo(logitsName, "Gemm", []string{x, w, v}, onnx.Int("transB", 1))
	case headspec.Conv1x1:
		x := own.Op("Relu", []string{own.Op("Conv", []string{FeaturesName, w, v}, onnx.Ints("kernel_shape", 1, 1))})
		own.OpTo(logitsName, "Flatten", []string{own.Op("GlobalAveragePool", []string{x})}, onnx.Int("axis", 1))
	default:
		return nil, fail.New(fail.Model, "", "head of unknown kind %q", head.Kind)
	}
	own.OpTo(probabilitiesName, "Softmax", []string{logitsName}, onnx.Int("axis", 1))
	return batch, nil
}

// takeImage makes one photo of any size the input instead of a batch of preprocessed
// ones.
func takeImage(m *pb.ModelProto, spec preprocess.Spec) error {
	const needed = 13 // Unsqueeze and ReduceSum take their axes as an input
	if v := onnx.Opset(m, ""); v < needed {
		return fail.New(fail.Model,
			fmt.Sprintf("Export the network again with opset_version=%d or above, or export without "+
				"--with-preprocessing.", needed),
			"the network is written in ONNX operator set %d, too old for preprocessing in the graph", v)
	}
	if _, shape, ok := onnx.Shape(m.Graph.Input[0]); ok && shape[0] > 1 {
		return fail.New(fail.Model,
			"Export the network again with a free batch dimension, or export without --with-preprocessing.",
			"the network takes batches of %d only", shape[0])
	}
	front := &pb.GraphProto{}
	b := onnx.NewBuilder(front, ownPrefix+"fit/")
	b.Input(onnx.TensorInfo(imageName, pb.TensorProto_UINT8, "height", "width", 3))
	fitted := fitImage(b, imageName, spec)
	if err := onnx.Append(front, m.Graph, map[string]string{ImagesName: fitted}); err != nil {
		return err
	}
	m.Graph = front
	return nil
}
