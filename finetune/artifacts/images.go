package artifacts

import (
	"slices"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// reserved are the names of the graphs' inputs and outputs, which the network's own values and nodes must not have.
var reserved = []string{ImagesName, inputName, labelsName, learningRateName, scaleName, lossName, correctName,
	gradNormName, logitsName, lossWeightName}

// takeImages fixes the size of the model's input and inserts the normalisation, so that
// the model takes photos, uint8 [batch, height, width, 3]. With asFloat the input stays
// float. A model that takes uint8 normalises itself. It returns the input's name.
func (n *Network) takeImages(m *pb.ModelProto, asFloat bool) (string, error) {
	g := m.Graph
	index := onnx.NewIndex(g)
	var inputs []*pb.ValueInfoProto
	for _, in := range g.Input {
		if index.Initializer(in.Name) == nil {
			inputs = append(inputs, in)
		}
	}
	if len(inputs) != 1 {
		return "", fail.New(fail.Model, "Export the network with one input: a batch of images.",
			"the network %s has %d inputs", n.Name, len(inputs))
	}
	input := inputs[0]
	dtype, _, _ := onnx.Shape(input)
	size := n.Preprocess.Crop
	images := onnx.TensorInfo(ImagesName, pb.TensorProto_UINT8, "batch", size, size, 3)
	names := map[string]string{input.Name: inputName}
	free := onnx.NewBuilder(g, "")
	for _, name := range reserved {
		if index.Producer(name) != nil && !(name == logitsName && index.Output(name) != nil) {
			names[name] = free.Fresh(name)
		}
	}
	if dtype == pb.TensorProto_UINT8 {
		names[input.Name] = ImagesName
	}
	if err := onnx.Rename(g, names); err != nil {
		return "", fail.Wrap(fail.Model, err, "", "the network %s", n.Name)
	}
	for _, node := range g.Node {
		if slices.Contains(reserved, node.Name) {
			node.Name = ""
		}
	}
	switch {
	case dtype == pb.TensorProto_UINT8:
		input.Type = images.Type
		return ImagesName, nil
	case asFloat:
		input.Type = onnx.TensorInfo("", pb.TensorProto_FLOAT, "batch", 3, size, size).Type
		return inputName, nil
	}
	nodes := g.Node
	g.Node = nil
	b := onnx.NewBuilder(g, "fx/")
	input.Name, input.Type = ImagesName, images.Type
	n.normalise(b)
	g.Node = append(g.Node, nodes...)
	return ImagesName, nil
}

// normalise computes inputName, (images/255 - mean) / std, from ImagesName. The
// transpose comes first, when a value is one byte.
func (n *Network) normalise(b *onnx.Builder) {
	scale, shift := make([]float32, 3), make([]float32, 3)
	for c := range 3 {
		scale[c] = float32(1 / (255 * float64(n.Preprocess.Std[c])))
		shift[c] = float32(-float64(n.Preprocess.Mean[c]) / float64(n.Preprocess.Std[c]))
	}
	planes := b.Op("Transpose", []string{ImagesName}, onnx.Ints("perm", 0, 3, 1, 2))
	values := b.Op("Cast", []string{planes}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	scaled := b.Op("Mul", []string{values, b.Constant(onnx.NewFloat32("scale", []int64{3, 1, 1}, scale))})
	b.Graph.Node = append(b.Graph.Node, &pb.NodeProto{
		Name: "fx/normalised", OpType: "Add", Output: []string{inputName},
		Input: []string{scaled, b.Constant(onnx.NewFloat32("shift", []int64{3, 1, 1}, shift))},
	})
}
