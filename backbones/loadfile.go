package backbones

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// LoadFile reads the user's own ONNX file as exported, with dropout. float16 values become
// float32, and the input gets the layout that FromFile names first. values, if not nil,
// replace those in the file, which may then be a skeleton: initializers with dimensions
// but no data. values must be the file's parameters, by name and shape; they may also
// contain counters of batches and the file's buffers. Errors are of kind fail.Model, or
// fail.Usage if there is no such file.
func LoadFile(path string, values *weights.StateDict) (*pb.ModelProto, error) {
	m, err := onnx.LoadWith(path, onnx.Options{Weightless: true})
	if err != nil {
		return nil, err
	}
	onnx.FixInitializers(m)
	if _, err := onnx.WidenHalves(m); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "ONNX file %s", path)
	}
	if err := standardLayout(m); err != nil {
		return nil, fail.Wrap(fail.Model, err, exporterHint, "ONNX file %s", path)
	}
	recordConstants(m)
	if values != nil {
		if err := fill(m, values, path); err != nil {
			return nil, err
		}
	}
	for _, t := range m.Graph.Initializer {
		if onnx.Weightless(t) {
			return nil, fail.New(fail.Model, "Name the file of its weights with --weights.",
				"ONNX file %s is a graph without weights: %q has no values", path, t.Name)
		}
	}
	return m, nil
}

// recordConstants adds to m's MetaBuffers the float tensors that no optimizer updates, but that look like parameters:
// in a graph without weights those that have values nevertheless, and in a file of another exporter those of one
// number outside layers, such as the scale of attention. The files of scripts/export_onnx list their buffers
// themselves.
func recordConstants(m *pb.ModelProto) {
	skeleton := slices.ContainsFunc(m.Graph.Initializer, onnx.Weightless)
	_, ours := onnx.Metadata(m, MetaBackbone)
	index := onnx.NewIndex(m.Graph)
	ofLayer := func(name string) bool {
		return slices.ContainsFunc(index.Consumers(name), func(n *pb.NodeProto) bool {
			return slices.Contains(layerOps, n.OpType)
		})
	}
	var constants []string
	for _, t := range m.Graph.Initializer {
		count, err := onnx.Elements(t.Dims)
		constant := err == nil && count == 1 && !ours && !ofLayer(t.Name)
		if skeleton {
			constant = !onnx.Weightless(t)
		}
		if t.DataType == pb.TensorProto_FLOAT && len(t.Dims) > 0 && constant {
			constants = append(constants, t.Name)
		}
	}
	AddBuffers(m, constants)
}

// layerOps have parameters of one number if they have one channel. An InstanceNormalization is no layer of torch's with
// one: its scale 1 and shift 0 stand in for those of a group normalization.
var layerOps = []string{"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "PRelu"}

// AddBuffers adds names of initializers that are not parameters to m's MetaBuffers, and returns the whole list.
func AddBuffers(m *pb.ModelProto, names []string) []string {
	all := buffers(m)
	for _, name := range names {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if len(all) > 0 {
		setJSON(m, MetaBuffers, all)
	}
	return all
}

// buffers returns the list of m's MetaBuffers, which is empty if it can't be read.
func buffers(m *pb.ModelProto) (names []string) {
	text, _ := onnx.Metadata(m, MetaBuffers)
	_ = json.Unmarshal([]byte(text), &names)
	return names
}

// fill replaces the values of m's parameters.
func fill(m *pb.ModelProto, values *weights.StateDict, path string) error {
	parameters := FileParameters(m)
	values = underNamesOf(m.Graph, values)
	given := canonicalNames(values)
	own := onnx.NewIndex(m.Graph)
	isParameter := map[string]bool{}
	for _, p := range parameters {
		isParameter[p.Name] = true
	}
	for name, original := range given { // buffers keep the file's values
		t, _ := values.Get(original)
		if !isParameter[name] && (own.Initializer(name) != nil || !t.DType.Float()) {
			delete(given, name)
		}
	}
	hint := fmt.Sprintf("Give a state dict under the names of its parameters, such as %s.",
		strings.Join(firstNames(parameters, 3), ", "))
	if err := matchNames(path, hint, parameters, given, values); err != nil {
		return err
	}
	for i, t := range m.Graph.Initializer {
		if !isParameter[t.Name] {
			continue
		}
		source, _ := values.Get(given[t.Name])
		filled, err := float32Tensor(t.Name, source)
		if err != nil {
			return fail.Wrap(fail.Model, err, "", "weights for %s", path)
		}
		m.Graph.Initializer[i] = filled
	}
	return nil
}

func firstNames(parameters []Parameter, n int) []string {
	var names []string
	for _, p := range parameters[:min(n, len(parameters))] {
		names = append(names, p.Name)
	}
	return names
}

// FileParameters returns the parameters of a network from LoadFile, in the order of its
// initializers: float tensors with axes that a layer uses, without the file's buffers and
// constants and without those that only preprocess the pixels before the first layer. Kind is
// set for running statistics and the parameters of batch normalizations; all others are
// a Weight. FanIn and Head are not set.
func FileParameters(m *pb.ModelProto) []Parameter {
	index := onnx.NewIndex(m.Graph)
	pixels := pixelConstants(m.Graph, index)
	constants := buffers(m)
	var list []Parameter
	for _, t := range m.Graph.Initializer {
		users := index.Consumers(t.Name)
		if t.DataType != pb.TensorProto_FLOAT || len(t.Dims) == 0 || len(users) == 0 ||
			pixels[t.Name] || strings.HasPrefix(t.Name, ownPrefix) || slices.Contains(constants, t.Name) {
			continue
		}
		p := Parameter{Name: t.Name, Kind: Weight}
		for _, d := range t.Dims {
			p.Shape = append(p.Shape, int(d))
		}
		for _, n := range users {
			if i := slices.Index(n.Input, t.Name); n.OpType == "BatchNormalization" && i >= 1 && i <= 4 {
				p.Kind = []ParameterKind{Scale, Shift, RunningMean, RunningVariance}[i-1]
			}
		}
		list = append(list, p)
	}
	return list
}

// pixelOps are the ops that preprocess an image before the first layer.
var pixelOps = []string{"Cast", "Transpose", "Identity", "Sub", "Add", "Mul", "Div", "Reshape", "Unsqueeze",
	"Squeeze", "Slice", "Split", "Gather", "Concat", "Clip"}

// pixelConstants returns the initializers that are used before the first layer, such as
// mean and standard deviation of the pixels.
func pixelConstants(g *pb.GraphProto, index *onnx.Index) map[string]bool {
	pixels, constants := map[string]bool{}, map[string]bool{}
	for _, in := range g.Input {
		pixels[in.Name] = index.Initializer(in.Name) == nil
	}
	for _, n := range g.Node {
		if n.Domain != "" || !slices.Contains(pixelOps, n.OpType) ||
			!slices.ContainsFunc(n.Input, func(in string) bool {
				return pixels[in]
			}) {
			continue
		}
		// A sum with anything but a constant belongs to a layer.
		if slices.ContainsFunc(n.Input, func(in string) bool {
			return in != "" && !pixels[in] && index.Constant(in) == nil
		}) {
			continue
		}
		for _, in := range n.Input {
			if !pixels[in] {
				constants[in] = true
			}
		}
		for _, out := range n.Output {
			pixels[out] = true
		}
	}
	return constants
}
