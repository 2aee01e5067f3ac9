package backbones

import (
	"embed"
	"fmt"
	"sync"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

//go:embed graphs/*.onnx
var graphs embed.FS

var parsed = struct {
	sync.Mutex
	models map[string]*pb.ModelProto
}{models: map[string]*pb.ModelProto{}}

// Skeleton returns the graph of a registered network in training form, without weights:
// input "input", float32 [batch, 3, height, width]; its initializers have the state
// dict's names, with type and dimensions but no data. The caller may change the model.
// The error is Lookup's.
func Skeleton(name string) (*pb.ModelProto, error) {
	if _, err := Lookup(name); err != nil {
		return nil, err
	}
	parsed.Lock()
	defer parsed.Unlock()
	if parsed.models[name] == nil {
		data, err := graphs.ReadFile("graphs/" + name + ".onnx")
		if err != nil {
			return nil, err
		}
		m, err := onnx.ParseWith(data, name, onnx.Options{Weightless: true})
		if err != nil {
			return nil, err
		}
		parsed.models[name] = m
	}
	return onnx.Clone(parsed.models[name]), nil
}

// ParameterKind is the role of a parameter, which determines its initial value.
type ParameterKind string

// The kinds of parameters; a batch normalisation has the last four.
const (
	Weight          ParameterKind = "weight" // of a convolution or a matrix product
	Bias            ParameterKind = "bias"   // likewise
	Scale           ParameterKind = "scale"  // called weight in the state dict
	Shift           ParameterKind = "shift"  // called bias in the state dict
	RunningMean     ParameterKind = "running_mean"
	RunningVariance ParameterKind = "running_var"
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
// The names are torchvision's; the counters num_batches_tracked, which no computation
// uses, are omitted.
func Parameters(b Backbone) ([]Parameter, error) {
	m, err := Skeleton(b.Name)
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
		p := Parameter{
			Name:      t.Name,
			Head:      isHead(t.Name, &b.Head) || isHead(t.Name, b.Auxiliary),
			Auxiliary: needed.Initializer(t.Name) == nil,
		}
		for _, d := range t.Dims {
			p.Shape = append(p.Shape, int(d))
		}
		users := ix.Consumers(t.Name)
		if len(users) != 1 {
			return nil, fmt.Errorf("parameter %q of %s is used %d times", t.Name, b.Name, len(users))
		}
		var err error
		if p.Kind, p.FanIn, err = role(users[0], t.Name, ix); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		list = append(list, p)
	}
	return list, nil
}

func isHead(name string, h *Head) bool { return h != nil && (name == h.Weight || name == h.Bias) }

// role returns the kind of the parameter, from the node that uses it.
func role(n *pb.NodeProto, name string, ix *onnx.Index) (ParameterKind, int, error) {
	position := -1
	for i, in := range n.Input {
		if in == name {
			position = i
		}
	}
	switch {
	case n.OpType == "BatchNormalization" && position >= 1 && position <= 4:
		return []ParameterKind{Scale, Shift, RunningMean, RunningVariance}[position-1], 0, nil
	case (n.OpType == "Conv" || n.OpType == "Gemm") && (position == 1 || position == 2):
		weight := ix.Initializer(n.Input[1])
		if weight == nil || len(weight.Dims) < 2 || n.OpType == "Gemm" && onnx.IntAttribute(n, "transB", 0) != 1 {
			break
		}
		fanIn := 1
		for _, d := range weight.Dims[1:] { // [out, in/groups, height, width] or [out, in]
			fanIn *= int(d)
		}
		if position == 1 {
			return Weight, fanIn, nil
		}
		return Bias, fanIn, nil
	}
	return "", 0, fmt.Errorf("no rule for parameter %q as input %d of %s", name, position, n.OpType)
}
