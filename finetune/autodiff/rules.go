package autodiff

import (
	"maps"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// rule differentiates an op.
type rule struct {
	// backward gives each input that needs one its gradient, computed from the
	// gradient c.dy of the first output.
	backward func(c *context)

	// broadcasts marks ops whose inputs are broadcast to the output's shape:
	// gradients may have that shape, and the walker reduces them.
	broadcasts bool

	// first marks ops of which only the first input has a gradient, whatever the
	// others depend on.
	first bool

	// forward, if not nil, writes the node in training form and saves the values
	// that backward uses.
	forward func(c *context)
}

// rules is the table of ops, assembled from groups that are ordered from simple to
// tricky.
var rules = table()

var groups = []struct {
	name  string
	rules map[string]rule
}{
	{"elementwise", elementwiseRules},
	{"activation", activationRules},
	{"shape", shapeRules},
	{"indexing", indexRules},
	{"reduction", reductionRules},
	{"matrix product", matmulRules},
	{"attention", attentionRules},
	{"normalization", normalizationRules},
	{"pooling", poolingRules},
	{"convolution", convolutionRules},
	{"resizing", resizeRules},
	{"dropout", dropoutRules},
}

func table() map[string]rule {
	all := map[string]rule{}
	for _, g := range groups {
		maps.Copy(all, g.rules)
	}
	return all
}

// withoutGradient lists the ops that pass no gradient, because their result is
// constant, an integer or a choice. An op in neither table is an error.
var withoutGradient = map[string]bool{
	"Shape": true, "Size": true, "Constant": true, "ConstantOfShape": true, "Range": true, "EyeLike": true,
	"RandomUniformLike": true, "RandomNormalLike": true, "RandomUniform": true, "RandomNormal": true, "Bernoulli": true,
	"Equal": true, "Less": true, "LessOrEqual": true, "Greater": true, "GreaterOrEqual": true,
	"Not": true, "And": true, "Or": true, "Xor": true, "IsNaN": true, "IsInf": true,
	"Floor": true, "Ceil": true, "Round": true, "Sign": true, "Mod": true,
	"ArgMax": true, "ArgMin": true, "NonZero": true, "OneHot": true,
}

// stopsGradient reports whether n passes no gradient.
func stopsGradient(n *pb.NodeProto) bool {
	if n.Domain != "" {
		return false
	}
	if n.OpType == "Cast" {
		return !(Tensor{DType: pb.TensorProto_DataType(onnx.IntAttribute(n, "to", 0))}).float()
	}
	return withoutGradient[n.OpType]
}

// OpInfo describes an op of the table.
type OpInfo struct {
	Op    string `json:"op"`
	Group string `json:"group"` // such as "convolution"; "no gradient" for ops that pass none
}

// Ops returns the ops that a network to train may contain, by group and name.
func Ops() []OpInfo {
	var ops []OpInfo
	for _, g := range groups {
		for _, op := range slices.Sorted(maps.Keys(g.rules)) {
			ops = append(ops, OpInfo{op, g.name})
		}
	}
	for _, op := range slices.Sorted(maps.Keys(withoutGradient)) {
		ops = append(ops, OpInfo{op, "no gradient"})
	}
	return ops
}
