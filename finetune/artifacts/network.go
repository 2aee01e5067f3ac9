package artifacts

import (
	"math"
	"slices"
	"strings"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
	"fx/internal/random"
	"fx/internal/weights"
)

// Parameter is one tensor of a network's state.
type Parameter struct {
	Name      string `json:"name"`
	Shape     []int  `json:"shape"`
	Statistic bool   `json:"statistic,omitempty"` // running mean or variance: updated from batches, not from gradients
	Head      bool   `json:"head,omitempty"`      // belongs to the classifier or an auxiliary one
}

// Len returns the number of values.
func (p Parameter) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Network is a network to train: a graph in training form and its initial values.
type Network struct {
	Name       string
	Preprocess preprocess.Spec
	Classes    int         // outputs of the classifier
	Parameters []Parameter // in the order of the graph

	// Values has a float32 tensor for every parameter.
	Values *weights.StateDict

	// Notes describe assumptions and random initial values.
	Notes []string

	graph   *pb.ModelProto     // outputs: logits, then those of auxiliary heads
	file    backbones.Backbone // description of the user's own ONNX file, if the network is from one
	counted map[string]uint64  // batches in the statistics, by layer
}

// CheckMaps is backbones.CheckMaps for the training graph, including auxiliary classifiers.
func (n *Network) CheckMaps() error {
	return backbones.CheckMaps(n.graph.Graph, n.Name, n.Preprocess.Crop)
}

// Blank returns the network with all values 0, for trial runs.
func (n *Network) Blank() *Network {
	blank := *n
	blank.Values = weights.NewStateDict()
	for _, p := range n.Parameters {
		blank.Values.Set(p.Name, filled(p.Shape, 0))
	}
	return &blank
}

// FromBackbone returns the registered network b with the weights sd, whose names
// and shapes are checked as backbones.Assemble does. An auxiliary classifier
// that sd leaves out starts at random from seed.
func FromBackbone(b backbones.Backbone, sd *weights.StateDict, seed uint64) (*Network, error) {
	graph, err := backbones.Skeleton(b)
	if err != nil {
		return nil, err
	}
	assembled, err := backbones.Assemble(b, sd) // checks the weights and maps their names
	if err != nil {
		return nil, err
	}
	parameters, err := backbones.Parameters(b)
	if err != nil {
		return nil, err
	}
	n := &Network{Name: b.Name, Preprocess: b.Preprocess, graph: graph, Values: weights.NewStateDict()}
	values := onnx.NewIndex(assembled.Graph)
	for _, p := range parameters {
		var t weights.Tensor
		if found := values.Initializer(p.Name); found != nil {
			t, err = fromONNX(found)
		} else {
			t, err = n.auxiliary(p, sd, seed)
		}
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, "", "weights of %s, %s", b.Name, p.Name)
		}
		n.Values.Set(p.Name, t)
		n.Parameters = append(n.Parameters, Parameter{Name: p.Name, Shape: t.Shape, Statistic: !p.Kind.Trained(),
			Head: p.Head})
	}
	n.readCounters(sd)
	return n, n.resizeInitializers()
}

// auxiliary returns the value of a parameter that only training uses.
func (n *Network) auxiliary(p backbones.Parameter, sd *weights.StateDict, seed uint64) (weights.Tensor, error) {
	for _, prefix := range []string{"", "module."} {
		if t, ok := sd.Get(prefix + p.Name); ok {
			values, err := t.Float32s()
			if err != nil {
				return t, err
			}
			return weights.FromFloat32(t.Shape, values), nil
		}
	}
	if len(n.Notes) == 0 {
		n.Notes = append(n.Notes, "the weights have no auxiliary classifier: it starts at random")
	}
	switch p.Kind {
	case backbones.Weight, backbones.Bias:
		return uniform(p.Name, p.Shape, p.FanIn, seed), nil
	case backbones.Scale, backbones.RunningVariance:
		return filled(p.Shape, 1), nil
	}
	return filled(p.Shape, 0), nil
}

// classAxis returns the axis of a head's parameter whose size is the number of classes.
func (n *Network) classAxis(name string) int {
	for _, node := range onnx.NewIndex(n.graph.Graph).Consumers(name) {
		last := node.OpType == "MatMul" || node.OpType == "Gemm" && onnx.IntAttribute(node, "transB", 0) == 0
		if last && len(node.Input) > 1 && node.Input[1] == name {
			return 1
		}
	}
	return 0
}

// SetClasses replaces the classifier, and auxiliary ones, by new ones for the number
// of classes: uniform in ±1/√fan_in, the rule of torch.nn.Linear and torch.nn.Conv2d.
func (n *Network) SetClasses(classes int, seed uint64) error {
	if classes < 2 {
		return fail.New(fail.Usage, "A classifier tells two classes or more apart.",
			"a classifier for %d classes", classes)
	}
	fanIn := map[string]int{} // by layer: a bias starts like its weight
	layer := func(name string) string { return name[:max(strings.LastIndex(name, "."), 0)] }
	found := false
	for _, p := range n.Parameters {
		if p.Head && len(p.Shape) > 1 {
			fanIn[layer(p.Name)] = p.Len() / p.Shape[n.classAxis(p.Name)]
			found = true
		}
	}
	if !found {
		return fail.New(fail.Model, "", "the classifier of %s is not known", n.Name)
	}
	for i, p := range n.Parameters {
		if !p.Head {
			continue
		}
		shape := slices.Clone(p.Shape)
		shape[n.classAxis(p.Name)] = classes
		n.Parameters[i].Shape = shape
		n.Values.Set(p.Name, uniform(p.Name, shape, fanIn[layer(p.Name)], seed))
	}
	return n.resizeInitializers()
}

// resizeInitializers gives the graph's initializers the parameters' shapes without
// data, and removes the shapes that depend on the number of classes.
func (n *Network) resizeInitializers() error {
	index := onnx.NewIndex(n.graph.Graph)
	for _, p := range n.Parameters {
		t := index.Initializer(p.Name)
		if t == nil {
			return fail.New(fail.Model, "", "the graph of %s has no parameter %q", n.Name, p.Name)
		}
		t.Dims = dims(p.Shape)
		t.RawData, t.FloatData = nil, nil
		if p.Head {
			n.Classes = p.Shape[n.classAxis(p.Name)]
		}
	}
	n.graph.Graph.ValueInfo = nil
	for _, out := range n.graph.Graph.Output {
		if t := out.GetType().GetTensorType(); t != nil {
			t.Shape = nil
		}
	}
	return nil
}

// uniform draws from ±1/√fanIn by name and seed, as backbones.SeedWeights does.
func uniform(name string, shape []int, fanIn int, seed uint64) weights.Tensor {
	stream := random.New(seed, "weights/"+name)
	bound := 1 / math.Sqrt(float64(fanIn))
	values := make([]float32, Parameter{Shape: shape}.Len())
	for i := range values {
		u := (float64(stream.Uint32()>>8)+0.5)/(1<<23) - 1
		values[i] = float32(u * bound)
	}
	return weights.FromFloat32(shape, values)
}

func filled(shape []int, value float32) weights.Tensor {
	values := slices.Repeat([]float32{value}, Parameter{Shape: shape}.Len())
	return weights.FromFloat32(shape, values)
}

func fromONNX(t *pb.TensorProto) (weights.Tensor, error) {
	values, err := onnx.Float32s(t)
	if err != nil {
		return weights.Tensor{}, err
	}
	return weights.FromFloat32(sizes(t.Dims), values), nil
}

func sizes(dims []int64) []int {
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	return shape
}

func dims(shape []int) []int64 {
	d := make([]int64, len(shape))
	for i, v := range shape {
		d[i] = int64(v)
	}
	return d
}
