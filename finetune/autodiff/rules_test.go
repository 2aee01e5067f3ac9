package autodiff_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fx/finetune/autodiff"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort/orttest"
	"fx/internal/random"
)

func TestRulesAgainstFiniteDifferences(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range allCases() {
		t.Run(c.op+"/"+c.name, func(t *testing.T) {
			if err := c.check(rt); err != nil {
				t.Error(err)
			}
			if !autodiff.HasKernel(c.op) {
				return
			}
			c.kernels = true
			if err := c.check(rt); err != nil {
				t.Errorf("by kernels: %v", err)
			}
		})
	}
}

func TestEveryRuleHasACase(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range allCases() {
		covered[c.op] = true
		m, _ := c.model()
		if !slices.ContainsFunc(m.Graph.Node, func(n *pb.NodeProto) bool { return n.OpType == c.op }) {
			t.Errorf("case %s/%s has no node of its op", c.op, c.name)
		}
	}
	for _, info := range autodiff.Ops() {
		if info.Group != "no gradient" && !covered[info.Op] {
			t.Errorf("the rule of %s has no case here", info.Op)
		}
	}
}

// A rule that is wrong by 0.1 % must not pass.
func TestCheckerFindsAWrongRule(t *testing.T) {
	rt := orttest.Runtime(t)
	passed := 0
	for _, c := range allCases() {
		if !slices.Contains([]string{"Conv", "Relu", "BatchNormalization", "Softmax", "MaxPool", "MatMul"}, c.op) {
			continue
		}
		passed++
		for _, wrong := range []float64{0.999, 1.001} {
			c.wrong = wrong
			if err := c.check(rt); err == nil || !strings.Contains(err.Error(), "the rule says") {
				t.Errorf("%s/%s: gradients times %g pass: %v", c.op, c.name, wrong, err)
			}
		}
	}
	if passed < 30 {
		t.Errorf("only %d cases were tried", passed)
	}
}

func TestUnknownOp(t *testing.T) {
	rt := orttest.Runtime(t)
	c := gradientCase{name: "unknown", op: "Acosh", variables: []variable{{name: "x", shape: []int64{2}}},
		build: func(b *onnx.Builder) string { return b.Op("Relu", []string{b.Op("Acosh", []string{"x"})}) }}
	err := c.check(rt)
	if fail.KindOf(err) != fail.Model {
		t.Fatalf("error %v of kind %d", err, fail.KindOf(err))
	}
	for _, part := range []string{"Acosh", "--head-only"} {
		if !strings.Contains(err.Error()+fail.HintOf(err), part) {
			t.Errorf("%q and its hint do not name %q", err, part)
		}
	}
}

// awayFrom draws normal values that the finite difference cannot carry over a corner.
func awayFrom(corners ...float64) func(*random.Stream) float64 {
	return func(s *random.Stream) float64 {
		for {
			v := 2 * s.Normal()
			if !slices.ContainsFunc(corners, func(c float64) bool { return math.Abs(v-c) < 0.05 }) {
				return v
			}
		}
	}
}

// positive values, away from zero.
func positive(s *random.Stream) float64 { return s.Uniform(1, 2.5) }

func vars(shapes ...[]int64) []variable {
	var v []variable
	for i, s := range shapes {
		v = append(v, variable{name: string(rune('x' + i)), shape: s})
	}
	return v
}

func filled(fill func(*random.Stream) float64, shapes ...[]int64) []variable {
	v := vars(shapes...)
	for i := range v {
		v[i].fill = fill
	}
	return v
}

// spread has values that all differ, by 1/8 at least, and lie on a grid.
func spread(shapes ...[]int64) []variable {
	v := vars(shapes...)
	for i := range v {
		v[i].distinct = true
	}
	return v
}

// crossed has values on two grids that have no place in common.
func crossed(first, second []int64) []variable {
	v := spread(first, second)
	v[1].shift = 1.0 / 16
	return v
}

// node is the usual case: one node over all the variables.
func node(op, name string, variables []variable, attributes ...*pb.AttributeProto) gradientCase {
	return gradientCase{name: name, op: op, variables: variables, build: func(b *onnx.Builder) string {
		var in []string
		for _, v := range variables {
			in = append(in, v.name)
		}
		return b.Op(op, in, attributes...)
	}}
}

func (g gradientCase) withStep(h float64) gradientCase {
	g.step = h
	return g
}

type dims = []int64

func allCases() []gradientCase {
	return slices.Concat(elementwiseCases(), activationCases(), shapeCases(), indexCases(), reductionCases(),
		matmulCases(), einsumCases(), attentionCases(), normalizationCases(), poolingCases(), convolutionCases(),
		resizeCases(), dropoutCases())
}

func elementwiseCases() []gradientCase {
	x := dims{2, 3, 4}
	cases := []gradientCase{
		node("Identity", "", vars(x)).withStep(1),
		node("Cast", "to itself", vars(x), onnx.Int("to", 1)).withStep(1),
		node("Neg", "", vars(x)).withStep(1),
		node("Exp", "", vars(x)),
		node("Log", "", filled(positive, x)),
		node("Abs", "", filled(awayFrom(0), x)),
		node("Reciprocal", "", filled(positive, x)),
		node("Sqrt", "", filled(positive, x)),
		node("Erf", "", vars(x)),
		node("Sin", "", vars(x)),
		node("Cos", "", vars(x)),
		node("Sum", "three", vars(x, dims{4}, dims{3, 1})).withStep(1),
		node("Max", "", crossed(x, dims{3, 4})),
		node("Min", "", crossed(x, dims{3, 4})),
		{name: "", op: "CastLike", variables: vars(x), step: 1, build: func(b *onnx.Builder) string {
			return b.Op("CastLike", []string{"x", b.Float32("like", 0)})
		}},
		{name: "like what is trained", op: "CastLike", variables: vars(x), build: func(b *onnx.Builder) string {
			return b.Op("CastLike", []string{"x", b.Op("Exp", []string{"x"})})
		}},
		{name: "", op: "Where", variables: vars(x, dims{3, 1}), step: 1, build: func(b *onnx.Builder) string {
			condition := b.Op("Greater", []string{"x", b.Constant(onnx.NewFloat32("zero", nil, []float32{100}))})
			condition = b.Op("Or",
				[]string{condition, b.Constant(onnx.NewRaw("mask", pb.TensorProto_BOOL, dims{4}, []byte{1, 0, 0, 1}))})
			return b.Op("Where", []string{condition, "x", "y"})
		}},
		{name: "a constant exponent", op: "Pow", variables: filled(positive, x), build: func(b *onnx.Builder) string {
			return b.Op("Pow", []string{"x", b.Float32("three", 3)})
		}},
		{name: "an integer exponent", op: "Pow", variables: filled(awayFrom(0), x),
			build: func(b *onnx.Builder) string {
				return b.Op("Pow", []string{"x", b.Int64("two", 2)})
			}},
		node("Pow", "both", filled(positive, x, dims{3, 1})),
		{name: "through itself", op: "Mul", variables: vars(x), build: func(b *onnx.Builder) string {
			return b.Op("Mul", []string{"x", "x"})
		}},
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div"} {
		for _, y := range []dims{x, {4}, {3, 1}, {1, 1, 1}, {}, {5, 2, 3, 4}, {2, 1, 4}} {
			c := node(op, fmt.Sprint(y), vars(x, y))
			if op == "Div" {
				c.variables[1].fill, c.step = positive, 1.0/256
			} else {
				c.step = 1
			}
			cases = append(cases, c)
		}
	}
	return cases
}

func opset24(g gradientCase) gradientCase {
	g.opset = 24
	return g
}

func activationCases() []gradientCase {
	x := dims{2, 3, 5}
	clip := func(name string, in ...float32) gradientCase {
		return gradientCase{name: name, op: "Clip", variables: filled(awayFrom(-1, 0, 2), x),
			build: func(b *onnx.Builder) string {
				inputs := []string{"x", ""}
				if !math.IsNaN(float64(in[0])) {
					inputs[1] = b.Float32("low", in[0])
				}
				if len(in) > 1 {
					inputs = append(inputs, b.Float32("high", in[1]))
				}
				return b.Op("Clip", inputs)
			}}
	}
	return []gradientCase{
		node("Relu", "", filled(awayFrom(0), x)),
		node("LeakyRelu", "", filled(awayFrom(0), x), onnx.Float("alpha", 0.2)),
		node("Elu", "", filled(awayFrom(0), x), onnx.Float("alpha", 1.5)),
		clip("both", 0, 2), clip("low", -1), clip("high", float32(math.NaN()), 2),
		node("Sigmoid", "", vars(x)),
		node("Tanh", "", vars(x)),
		node("Softplus", "", vars(x)),
		node("HardSigmoid", "", filled(awayFrom(-3, 3), x), onnx.Float("alpha", 1.0/6)),
		node("HardSwish", "", filled(awayFrom(-3, 3), x)),
		opset24(node("Swish", "", vars(x))),
		opset24(node("Swish", "alpha", vars(x), onnx.Float("alpha", 1.7))),
		node("Gelu", "exact", vars(x)),
		node("Gelu", "tanh", vars(x), onnx.String("approximate", "tanh")),
		node("Softmax", "last axis", vars(x)),
		node("Softmax", "axis 1", vars(x), onnx.Int("axis", 1)),
		node("LogSoftmax", "last axis", vars(x)),
		node("LogSoftmax", "axis 0", vars(x), onnx.Int("axis", 0)),
	}
}

func shapeCases() []gradientCase {
	x := dims{2, 3, 4}
	with := func(op, name string, extra func(b *onnx.Builder) []string, attributes ...*pb.AttributeProto) gradientCase {
		return gradientCase{name: name, op: op, variables: vars(x), step: 1, build: func(b *onnx.Builder) string {
			return b.Op(op, append([]string{"x"}, extra(b)...), attributes...)
		}}
	}
	ints := func(v ...int64) func(b *onnx.Builder) []string {
		return func(b *onnx.Builder) []string { return []string{b.Int64s("ints", v...)} }
	}
	return []gradientCase{
		with("Reshape", "", ints(4, -1)),
		node("Flatten", "", vars(x)).withStep(1),
		{name: "", op: "Squeeze", variables: vars(dims{2, 1, 3, 1}), step: 1, build: func(b *onnx.Builder) string {
			return b.Op("Squeeze", []string{"x", b.Int64s("axes", 1)})
		}},
		with("Unsqueeze", "", ints(0, -1)),
		node("Transpose", "given", vars(x), onnx.Ints("perm", 1, 2, 0)).withStep(1),
		node("Transpose", "reversed", vars(x)).withStep(1),
		with("Tile", "", ints(2, 1, 3)),
		with("Expand", "a new axis", ints(5, 1, 3, 4)),
		{name: "sizes of one", op: "Expand", variables: vars(dims{3, 1}), step: 1, build: func(b *onnx.Builder) string {
			return b.Op("Expand", []string{"x", b.Int64s("shape", 2, 3, 4)})
		}},
		node("Concat", "axis 1", vars(x, dims{2, 1, 4}, dims{2, 5, 4}), onnx.Int("axis", 1)).withStep(1),
		node("Concat", "last axis", vars(x, x), onnx.Int("axis", -1)).withStep(1),
		{name: "one part unused", op: "Split", variables: vars(dims{2, 6}), step: 1,
			build: func(b *onnx.Builder) string {
				parts := b.Add("", "Split", []string{"x", b.Int64s("sizes", 1, 2, 3)}, 3, onnx.Int("axis", 1))
				return b.Op("Mul", []string{parts[0], parts[2]})
			}},
	}
}

func indexCases() []gradientCase {
	slice := func(name string, shape dims, lists ...dims) gradientCase {
		return gradientCase{name: name, op: "Slice", variables: vars(shape), step: 1,
			build: func(b *onnx.Builder) string {
				in := []string{"x"}
				for _, l := range lists {
					in = append(in, b.Int64s("bounds", l...))
				}
				return b.Op("Slice", in)
			}}
	}
	pad := func(name string, lists ...dims) gradientCase {
		return gradientCase{name: name, op: "Pad", variables: vars(dims{2, 5}), step: 1,
			build: func(b *onnx.Builder) string {
				in := []string{"x", b.Int64s("pads", lists[0]...)}
				if len(lists) > 1 {
					in = append(in, b.Float32("value", 3), b.Int64s("axes", lists[1]...))
				}
				return b.Op("Pad", in)
			}}
	}
	gather := func(name string, axis int64, indexShape dims, indices ...int64) gradientCase {
		return gradientCase{name: name, op: "Gather", variables: vars(dims{3, 4, 2}), step: 1,
			build: func(b *onnx.Builder) string {
				return b.Op("Gather", []string{"x", b.Constant(onnx.NewInt64("indices", indexShape, indices))},
					onnx.Int("axis", axis))
			}}
	}
	scatter := func(reduction string) gradientCase {
		return gradientCase{name: reduction, op: "ScatterND", variables: vars(dims{4, 3, 2}, dims{2, 2}), step: 1,
			build: func(b *onnx.Builder) string {
				indices := b.Constant(onnx.NewInt64("indices", dims{2, 2}, []int64{3, 1, 0, 2}))
				return b.Op("ScatterND", []string{"x", indices, "y"}, onnx.String("reduction", reduction))
			}}
	}
	return []gradientCase{
		slice("leading axes", dims{4, 5}, dims{1, 0}, dims{3, 4}),
		slice("one axis", dims{4, 5, 2}, dims{1}, dims{1000}, dims{-2}),
		slice("steps", dims{4, 9}, dims{1}, dims{8}, dims{1}, dims{3}),
		slice("two steps", dims{7, 9}, dims{0, -8}, dims{7, 9}, dims{0, 1}, dims{2, 2}),
		slice("backwards", dims{4, 5}, dims{-1}, dims{-1000}, dims{1}, dims{-1}),
		slice("backwards by two", dims{4, 8}, dims{6}, dims{1}, dims{1}, dims{-2}),
		{name: "computed bounds", op: "Slice", variables: vars(dims{4, 6}), step: 1,
			build: func(b *onnx.Builder) string {
				size := b.Op("Gather", []string{b.Op("Shape", []string{"x"}), b.Int64("one", 1)}, onnx.Int("axis", 0))
				half := b.Op("Unsqueeze", []string{b.Op("Div", []string{size, b.Int64("two", 2)}), b.Int64s("zero", 0)})
				return b.Op("Slice", []string{"x", b.Int64s("start", 0), half, b.Int64s("axes", 1)})
			}},
		{name: "computed pads", op: "Pad", variables: vars(dims{2, 5}), step: 1, build: func(b *onnx.Builder) string {
			// 8 - width pads in all: as torch writes F.pad, from last axis to first, in floats
			width := b.Op("Gather", []string{b.Op("Shape", []string{"x"}), b.Int64("one", 1)}, onnx.Int("axis", 0))
			after := b.Op("Sub", []string{b.Float32("eight", 8), b.Op("Cast", []string{width}, onnx.Int("to", 1))})
			after = b.Op("Unsqueeze", []string{b.Op("Cast", []string{after}, onnx.Int("to", 7)), b.Int64s("zero", 0)})
			last := b.Op("Concat", []string{b.Int64s("before", 0), after, b.Int64s("first", 1, 0)}, onnx.Int("axis", 0))
			pairs := b.Op("Reshape", []string{last, b.Int64s("pairs", -1, 2)})
			pairs = b.Op("Slice", []string{pairs, b.Int64s("start", -1), b.Int64s("end", -99), b.Int64s("axes", 0),
				b.Int64s("steps", -1)})
			turned := b.Op("Transpose", []string{pairs}, onnx.Ints("perm", 1, 0))
			return b.Op("Pad", []string{"x", b.Op("Reshape", []string{turned, b.Int64s("flat", -1)})})
		}},
		pad("all axes", dims{1, 0, 0, 2}),
		pad("cropping", dims{0, -2, 1, 0}),
		pad("one axis", dims{1, 3}, dims{-1}),
		gather("scalar", 1, nil, 2),
		gather("scalar from the end", 2, nil, -1),
		gather("one", 0, dims{1}, 1),
		gather("repeated", 0, dims{2, 2}, 2, 0, 2, -1),
		gather("middle axis", 1, dims{3}, 3, 0, 3),
		{name: "repeated", op: "GatherElements", variables: vars(dims{3, 4}), step: 1,
			build: func(b *onnx.Builder) string {
				indices := b.Constant(onnx.NewInt64("indices", dims{3, 3}, []int64{0, 3, 3, 1, 2, -1, 0, 0, 0}))
				return b.Op("GatherElements", []string{"x", indices}, onnx.Int("axis", 1))
			}},
		scatter("none"), scatter("add"),
	}
}

func reductionCases() []gradientCase {
	var cases []gradientCase
	for _, flags := range [][2]int64{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
		cases = append(cases, gradientCase{name: fmt.Sprint(flags), op: "CumSum", variables: vars(dims{2, 5, 3}),
			step: 1, build: func(b *onnx.Builder) string {
				return b.Op("CumSum", []string{"x", b.Int64("axis", 1)}, onnx.Int("exclusive", flags[0]),
					onnx.Int("reverse", flags[1]))
			}})
	}
	for _, op := range []string{"ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL2", "ReduceMax", "ReduceMin"} {
		for _, axes := range []dims{{0, 2}, {-1}, {1}, nil} {
			for _, keep := range []int64{0, 1} {
				c := gradientCase{name: fmt.Sprint(axes, keep), op: op, variables: vars(dims{2, 3, 4}),
					build: func(b *onnx.Builder) string {
						in := []string{"x"}
						if axes != nil {
							in = append(in, b.Int64s("axes", axes...))
						}
						return b.Op(op, in, onnx.Int("keepdims", keep))
					}}
				switch op {
				case "ReduceL2":
				case "ReduceMax", "ReduceMin":
					c.variables = spread(dims{2, 3, 4})
				default:
					c.step = 1
				}
				cases = append(cases, c)
			}
		}
	}
	return cases
}

func matmulCases() []gradientCase {
	var cases []gradientCase
	for _, s := range [][2]dims{
		{{3, 4}, {4, 2}}, {{5, 3, 4}, {4, 2}}, {{5, 3, 4}, {5, 4, 2}}, {{2, 5, 3, 4}, {5, 4, 2}},
		{{3, 4}, {5, 4, 2}}, {{2, 1, 3, 4}, {1, 5, 4, 2}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{4}, {4}}, {{4},
			{5, 4, 2}}, {{5, 3, 4}, {4}},
	} {
		cases = append(cases, node("MatMul", fmt.Sprint(s), vars(s[0], s[1])).withStep(1))
	}
	for _, transA := range []int64{0, 1} {
		for _, transB := range []int64{0, 1} {
			a, b := dims{3, 4}, dims{4, 2}
			if transA == 1 {
				a = dims{4, 3}
			}
			if transB == 1 {
				b = dims{2, 4}
			}
			for _, bias := range []dims{{2}, {3, 2}, {3, 1}, {}, nil} {
				v := vars(a, b)
				if bias != nil {
					v = vars(a, b, bias)
				}
				cases = append(cases, node("Gemm", fmt.Sprint(transA, transB, bias), v,
					onnx.Int("transA", transA), onnx.Int("transB", transB),
					onnx.Float("alpha", 1.5), onnx.Float("beta", 0.5)).withStep(1))
			}
		}
	}
	return cases
}
