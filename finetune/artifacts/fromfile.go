package artifacts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fx/backbones"
	"fx/finetune/autodiff"
	"fx/internal/fail"
	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// FromFile returns the network in the user's own ONNX file, with its weights or those
// of options.Weights. Its parameters have the file's names; all other tensors stay in
// the graph. If the classifier is not recognized, the network gets a new one on its
// features, for two classes until SetClasses.
func FromFile(path string, options backbones.FileOptions) (*Network, error) {
	b, _, err := backbones.FromFile(path, options)
	if err != nil {
		return nil, err
	}
	graph, err := backbones.LoadFile(path, options.Weights) // as exported, with its Dropout
	if err != nil {
		return nil, err
	}
	n := &Network{Name: b.Name, Preprocess: b.Preprocess, Values: weights.NewStateDict(),
		Notes: slices.Clone(b.Notes), graph: graph, file: b}
	if err := n.cutAtLogits(); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "ONNX file %s", path)
	}
	if err := autodiff.Upgrade(graph); err != nil {
		return nil, fail.Wrap(fail.Model, err, "Export it with opset 18 or later.", "ONNX file %s", path)
	}
	index := onnx.NewIndex(graph.Graph)
	known := n.takesFeatures(b.Head.Weight) && n.givesLogits(b.Head.Weight)
	n.freezeConstants()
	for _, p := range backbones.FileParameters(graph) {
		value, err := fromONNX(index.Initializer(p.Name))
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, "", "ONNX file %s, %s", path, p.Name)
		}
		head := p.Name == b.Head.Weight || p.Name == b.Head.Bias
		n.add(Parameter{Name: p.Name, Shape: p.Shape, Statistic: !p.Kind.Trained(), Head: head}, value)
	}
	if !known {
		if err := n.graft(); err != nil {
			return nil, err
		}
	}
	if options.Weights != nil {
		n.readCounters(options.Weights)
	}
	for _, p := range n.Parameters {
		if p.Head {
			n.Classes = p.Shape[n.classAxis(p.Name)]
		}
	}
	dropout := func(node *pb.NodeProto) bool { return node.OpType == "Dropout" }
	if b.Head.Dropout > 0 && !slices.ContainsFunc(graph.Graph.Node, dropout) {
		n.Notes = append(n.Notes,
			fmt.Sprintf("%s was written for evaluation: it trains without the network's dropout", n.Name))
	}
	switch _, own := onnx.Metadata(graph, backbones.MetaFeatures); {
	case own:
	case slices.ContainsFunc(graph.Graph.Node, func(n *pb.NodeProto) bool {
		return strings.HasSuffix(n.OpType, "QuantizeLinear")
	}):
		n.Notes = append(n.Notes, fmt.Sprintf("%s is quantized: 8-bit weights do not train", n.Name))
	case unnormalized(graph.Graph):
		n.Notes = append(n.Notes, fmt.Sprintf("%s has convolutions without normalization layers: an export for "+
			"evaluation folds batch normalization into them, and the network trains without it; "+
			"scripts/export_onnx keeps it", n.Name))
	}
	return n, nil
}

// unnormalized reports whether g has several convolutions and no layer that normalizes.
func unnormalized(g *pb.GraphProto) bool {
	convolutions := 0
	for _, n := range g.Node {
		if n.OpType == "Conv" {
			convolutions++
		}
		if strings.HasSuffix(n.OpType, "Normalization") {
			return false
		}
	}
	return convolutions > 1
}

// freezeConstants takes the tensors that no gradient reaches, such as a mask that is only compared, for constants. A
// file of another exporter does not say which of its tensors are parameters: a note says so.
func (n *Network) freezeConstants() {
	if _, ours := onnx.Metadata(n.graph, backbones.MetaBackbone); ours {
		return
	}
	reached := autodiff.Reached(n.graph.Graph)
	var unreached []string
	for _, p := range backbones.FileParameters(n.graph) {
		if p.Kind.Trained() && !reached[p.Name] {
			unreached = append(unreached, p.Name)
		}
	}
	if frozen := backbones.AddBuffers(n.graph, unreached); len(frozen) > 0 {
		n.Notes = append(n.Notes, fmt.Sprintf("%s does not say which tensors are parameters: %d stay as they are, "+
			"such as %q, because they have one number or no gradient", n.Name, len(frozen), frozen[0]))
	}
}

// givesLogits reports whether the output of the layer with this weight is the logits,
// possibly after its bias, a Relu, a mean and changes of shape. A second classifier
// whose logits are added is not a part of it.
func (n *Network) givesLogits(weight string) bool {
	index := onnx.NewIndex(n.graph.Graph)
	value := weight
	for index.Output(value) == nil {
		users := index.Consumers(value)
		if len(users) != 1 {
			return false
		}
		switch node := users[0]; node.OpType {
		case "Gemm", "MatMul", "Conv", "Transpose", "Relu", "GlobalAveragePool", "AveragePool", "ReduceMean", "Flatten",
			"Reshape", "Squeeze", "Identity":
		case "Add":
			if index.Constant(node.Input[0]) == nil && index.Constant(node.Input[1]) == nil {
				return false
			}
		default:
			return false
		}
		value = users[0].Output[0]
	}
	return true
}

// takesFeatures reports whether the layer with this weight takes the features,
// possibly through dropout and changes of shape.
func (n *Network) takesFeatures(weight string) bool {
	index := onnx.NewIndex(n.graph.Graph)
	users := index.Consumers(weight)
	if len(users) == 1 && users[0].OpType == "Transpose" {
		users = index.Consumers(users[0].Output[0])
	}
	if len(users) != 1 {
		return false
	}
	value := users[0].Input[0]
	for value != n.file.FeatureTensor {
		p := index.Producer(value)
		if p == nil || !slices.Contains([]string{"Dropout", "Flatten", "Reshape", "Squeeze", "Identity"}, p.OpType) {
			return false
		}
		value = p.Input[0]
	}
	return true
}

func (n *Network) add(p Parameter, value weights.Tensor) {
	n.Parameters = append(n.Parameters, p)
	n.Values.Set(p.Name, value)
}

// cutAtLogits makes the logits the graph's only output: its first output, or the
// input of a final softmax, which the loss computes itself.
func (n *Network) cutAtLogits() error {
	g := n.graph.Graph
	index := onnx.NewIndex(g)
	logits := &pb.ValueInfoProto{Name: g.Output[0].Name, Type: g.Output[0].Type}
	for {
		p := index.Producer(logits.Name)
		if p == nil || p.Domain != "" || !slices.Contains([]string{"Softmax", "LogSoftmax", "Sigmoid", "Identity"},
			p.OpType) {
			break
		}
		if p.OpType != "Identity" {
			n.Notes = append(n.Notes,
				fmt.Sprintf("the %s at the end of %s is omitted: training uses the logits before it", p.OpType, n.Name))
		}
		logits.Name = p.Input[0]
	}
	if _, named := onnx.Metadata(n.graph, backbones.MetaFeatures); named && len(g.Output) > 1 { // else b.Notes has it
		n.Notes = append(n.Notes, fmt.Sprintf("%s has %d outputs: the first, %q, is used", n.Name, len(g.Output),
			g.Output[0].Name))
	}
	return onnx.Cut(g, logits)
}

// graft replaces everything after the features by a new classifier.
func (n *Network) graft() error {
	b := &n.file
	if b.FeatureShape == nil {
		return fail.New(fail.Usage,
			"Name the tensor that the classifier takes with --feature-tensor, or write the file with "+
				"scripts/export_onnx, which records the shape.",
			"ONNX file %s does not record the shape of its features %q, which a new classifier "+
				"needs", b.File, b.FeatureTensor)
	}
	head, err := backbones.HeadFor(b.FeatureShape)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "Name another tensor with --feature-tensor.", "ONNX file %s, tensor %q",
			b.File, b.FeatureTensor)
	}
	g := n.graph.Graph
	if err := onnx.Cut(g, onnx.TensorInfo(b.FeatureTensor, pb.TensorProto_FLOAT)); err != nil {
		return fail.Wrap(fail.Model, err, "", "ONNX file %s", b.File)
	}
	index := onnx.NewIndex(g)
	n.Parameters = slices.DeleteFunc(n.Parameters, func(p Parameter) bool { return index.Initializer(p.Name) == nil })
	shape := []int{2, head.In}
	if head.Kind == headspec.Conv1x1 {
		shape = append(shape, 1, 1)
	}
	build := onnx.NewBuilder(g, "")
	fresh := func(name string, shape []int) string {
		name = build.Constant(onnx.NewFloat32(name, dims(shape), make([]float32, Parameter{Shape: shape}.Len())))
		n.add(Parameter{Name: name, Shape: shape, Head: true}, filled(shape, 0))
		return name
	}
	head.Weight, head.Bias = fresh(head.Weight, shape), fresh(head.Bias, shape[:1])
	logits := ""
	if head.Kind == headspec.Conv1x1 {
		x := build.Op("Conv", []string{b.FeatureTensor, head.Weight, head.Bias}, onnx.Ints("kernel_shape", 1, 1))
		logits = build.Op("Flatten", []string{build.Op("GlobalAveragePool", []string{build.Op("Relu", []string{x})})},
			onnx.Int("axis", 1))
	} else {
		x := build.Op("Flatten", []string{b.FeatureTensor}, onnx.Int("axis", 1))
		logits = build.Op("Gemm", []string{x, head.Weight, head.Bias}, onnx.Int("transB", 1))
	}
	b.Head = head
	n.Notes = append(n.Notes, fmt.Sprintf("%s does not end in a known classifier: a new one takes its features, %q",
		n.Name, b.FeatureTensor))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(logits, pb.TensorProto_FLOAT, "batch", "classes")}
	return n.SetClasses(2, 0)
}

// Skeleton returns the training graph of a network from a file, without weights.
// backbones.FromFile opens it with the state dict of a Checkpoint and no other options.
func (n *Network) Skeleton() (*pb.ModelProto, error) {
	m := onnx.Clone(n.graph)
	index := onnx.NewIndex(m.Graph)
	for _, p := range n.Parameters {
		if t := index.Initializer(p.Name); t != nil {
			t.RawData, t.FloatData = nil, nil
		}
	}
	head := n.file.Head
	head.Classes = n.Classes
	buffers, ok := onnx.Metadata(m, backbones.MetaBuffers)
	m.MetadataProps = nil
	if ok {
		onnx.SetMetadata(m, backbones.MetaBuffers, buffers)
	}
	onnx.SetMetadata(m, backbones.MetaBackbone, n.Name)
	onnx.SetMetadata(m, backbones.MetaFeatures, n.file.FeatureTensor)
	for key, value := range map[string]any{backbones.MetaPreprocess: n.Preprocess, backbones.MetaHead: head} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		onnx.SetMetadata(m, key, string(text))
	}
	return m, nil
}
