package backbones

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"slices"
	"sync"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

//go:embed graphs/*.onnx.gz
var graphs embed.FS

var parsed = struct {
	sync.Mutex
	models map[string]*pb.ModelProto
}{models: map[string]*pb.ModelProto{}}

// Skeleton returns the graph of the registered network b in training form, without weights:
// input "input", float32 [batch, 3, height, width]; its parameters are initializers with the state
// dict's names, with type and dimensions but no data. The caller may change the model.
func Skeleton(b Backbone) (*pb.ModelProto, error) {
	if b.row == nil {
		return nil, fail.New(fail.Usage, "", "%s is no registered network", b.Name)
	}
	m, err := skeletonOf(b.row.Name)
	if err != nil {
		return nil, err
	}
	m = onnx.Clone(m)
	setPositions(m, b)
	return m, addPool(m, b)
}

// skeletonOf returns a file of graphs, which callers must not change.
func skeletonOf(name string) (*pb.ModelProto, error) {
	parsed.Lock()
	defer parsed.Unlock()
	if parsed.models[name] == nil {
		file, err := graphs.Open("graphs/" + name + ".onnx.gz")
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // it is in memory
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(unpacked)
		if err != nil {
			return nil, err
		}
		if parsed.models[name], err = onnx.ParseWith(data, name, onnx.Options{Weightless: true}); err != nil {
			return nil, err
		}
	}
	return parsed.models[name], nil
}

// ParameterKind is the role of a parameter, which determines its initial value.
type ParameterKind string

// The kinds of parameters. Normalisations have scale and shift, a batch normalisation the running statistics too.
const (
	Weight          ParameterKind = "weight" // of a convolution or a matrix product
	Bias            ParameterKind = "bias"   // likewise
	Scale           ParameterKind = "scale"  // called weight in the state dict, or a factor of each channel
	Shift           ParameterKind = "shift"  // called bias in the state dict
	RunningMean     ParameterKind = "running_mean"
	RunningVariance ParameterKind = "running_var"
	Embedding       ParameterKind = "embedding" // of positions, a class token and the like: added, not multiplied
)

// Trained reports whether an optimizer updates parameters of this kind; running
// statistics are updated from batches instead.
func (k ParameterKind) Trained() bool { return k != RunningMean && k != RunningVariance }

// Parameter is one named tensor of a network's state.
type Parameter struct {
	Name  string        `json:"name"`
	Shape []int         `json:"shape"`
	Kind  ParameterKind `json:"kind"`
	FanIn int           `json:"fan_in,omitempty"` // inputs of one output of its layer, for a weight or bias
	Head  bool          `json:"head,omitempty"`   // belongs to the classifier, whose class count may differ
	// Auxiliary marks parameters of the auxiliary classifier, which only training uses.
	Auxiliary bool `json:"auxiliary,omitempty"`
	New       bool `json:"new,omitempty"` // of the head that fx gives a network without one: no file of weights has it
}

// Len returns the number of values.
func (p Parameter) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Parameters returns the state of the registered network b in the order of its graph.
// The names are those of the package that the network is from; the counters num_batches_tracked, which no
// computation uses, are omitted, and so are buffers that are the same for all weights.
func Parameters(b Backbone) ([]Parameter, error) {
	m, err := Skeleton(b)
	if err != nil {
		return nil, err
	}
	return parametersOf(m, b)
}

func parametersOf(m *pb.ModelProto, b Backbone) ([]Parameter, error) {
	ix := onnx.NewIndex(m.Graph)
	main := onnx.Clone(m)
	if err := onnx.Cut(main.Graph, main.Graph.Output[0]); err != nil {
		return nil, err
	}
	needed := onnx.NewIndex(main.Graph)
	var list []Parameter
	for _, t := range m.Graph.Initializer {
		if !withoutData(t) {
			continue
		}
		p := Parameter{
			Name:      t.Name,
			Head:      isHead(t.Name, &b.Head) || isHead(t.Name, b.Auxiliary),
			Auxiliary: needed.Initializer(t.Name) == nil,
			New:       b.Head.Classes == 0 && isHead(t.Name, &b.Head),
		}
		for _, d := range t.Dims {
			p.Shape = append(p.Shape, int(d))
		}
		var err error
		if p.Kind, p.FanIn, err = role(t, ix); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// withoutData reports whether an initializer of a skeleton is a parameter, not a constant.
func withoutData(t *pb.TensorProto) bool {
	return t.DataType == pb.TensorProto_FLOAT && t.RawData == nil && t.FloatData == nil
}

func isHead(name string, h *Head) bool { return h != nil && (name == h.Weight || name == h.Bias) }

// role returns the kind of the parameter t and its layer's fan-in, from the nodes that use it.
func role(t *pb.TensorProto, ix *onnx.Index) (ParameterKind, int, error) {
	if kind, fanIn := roleOf(t.Name, len(t.Dims), ix); kind != "" {
		return kind, fanIn, nil
	}
	return "", 0, fmt.Errorf("no rule for parameter %q as input of %v", t.Name, ix.Consumers(t.Name))
}

// roleOf returns the role of a parameter with this number of dimensions whose value, or a view of it, is value; "" if
// no node that uses it tells.
func roleOf(value string, rank int, ix *onnx.Index) (kind ParameterKind, fanIn int) {
	for _, n := range ix.Consumers(value) {
		position := slices.Index(n.Input, value)
		switch n.OpType {
		case "Transpose", "Reshape", "Unsqueeze", "Squeeze", "Slice", "Identity", "Cast", "Split", "ScatterND":
			kind, fanIn = roleOf(n.Output[0], rank, ix)
		case "Concat":
			if kind = Embedding; rank == 1 { // the parts of one bias
				kind, fanIn = roleOf(n.Output[0], rank, ix)
			}
		case "Expand", "Gather": // a class token, a table of relative positions
			kind = Embedding
		case "BatchNormalization":
			kind = []ParameterKind{Scale, Shift, RunningMean, RunningVariance}[position-1]
		case "LayerNormalization", "GroupNormalization", "InstanceNormalization":
			kind = []ParameterKind{Scale, Shift}[position-1]
		case "Conv", "Gemm", "MatMul":
			if fanIn = layerFanIn(n, ix); fanIn > 0 {
				kind = []ParameterKind{Weight, Weight, Bias}[position]
			}
		case "Add":
			kind = Embedding
			if product := ix.Producer(n.Input[1-position]); product != nil && rank == 1 {
				if fanIn = layerFanIn(product, ix); fanIn > 0 {
					kind = Bias
				}
			}
		case "Mul", "Clip", "Min", "Exp": // a factor of each channel, swin v2's logit scale
			kind = Scale
		}
		if kind != "" {
			return kind, fanIn
		}
	}
	return "", 0
}

// layerFanIn returns the inputs of one output of a Conv, Gemm or MatMul with a weight in torch's layout, [out,
// in/groups, height, width] or [out, in], else 0.
func layerFanIn(n *pb.NodeProto, ix *onnx.Index) int {
	if len(n.Input) < 2 {
		return 0
	}
	name, turned := n.Input[1], n.OpType == "Conv" || n.OpType == "Gemm" && onnx.IntAttribute(n, "transB", 0) == 1
	if p := ix.Producer(name); p != nil && p.OpType == "Transpose" {
		name, turned = p.Input[0], !turned
	}
	weight := ix.Initializer(name)
	if weight == nil || len(weight.Dims) < 2 || !turned {
		return 0
	}
	fanIn := 1
	for _, d := range weight.Dims[1:] {
		fanIn *= int(d)
	}
	return fanIn
}
