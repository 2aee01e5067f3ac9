package autodiff_test

import (
	"math"
	"slices"
	"testing"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

// TestActivations compares the kernels' activations and their gradients with their definitions in float64, for every
// instruction set, from zero to arguments whose exponential overflows, and at sizes that no vector divides.
func TestActivations(t *testing.T) {
	rt := orttest.Runtime(t)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	limit := func(x, low, high float64) float64 { return min(max(x, low), high) }
	inside := func(x, low, high, slope float64) float64 {
		if x > low && x < high {
			return slope
		}
		return 0
	}
	const root = 0.7978845608028654 // √(2/π)
	for _, c := range []struct {
		name         string
		kind         int64
		a, b         float32
		value, slope func(x float64) float64
	}{
		{"relu", kernels.Relu, 0, 0, func(x float64) float64 { return max(x, 0) },
			func(x float64) float64 { return inside(x, 0, math.Inf(1), 1) }},
		{"clip", kernels.Clip, -1.5, 6, func(x float64) float64 { return limit(x, -1.5, 6) },
			func(x float64) float64 { return inside(x, -1.5, 6, 1) }},
		{"hard sigmoid", kernels.HardSigmoid, 0.25, 0.5, func(x float64) float64 { return limit(x/4+0.5, 0, 1) },
			func(x float64) float64 { return inside(x, -2, 2, 0.25) }},
		{"hard swish", kernels.HardSwish, 0, 0, func(x float64) float64 { return x * limit(x/6+0.5, 0, 1) },
			func(x float64) float64 {
				if x > 3 {
					return 1
				}
				return inside(x, -3-1e-9, 4, x/3+0.5)
			}},
		{"swish", kernels.Swish, 0, 0, func(x float64) float64 { return x * sigmoid(x) },
			func(x float64) float64 { return sigmoid(x) * (1 + x*sigmoid(-x)) }},
		{"gelu", kernels.Gelu, 0, 0, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) },
			func(x float64) float64 {
				return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
			}},
		{"gelu by tanh", kernels.GeluTanh, 0, 0,
			func(x float64) float64 { return x / 2 * (1 + math.Tanh(root*(x+0.044715*x*x*x))) },
			func(x float64) float64 {
				h := math.Tanh(root * (x + 0.044715*x*x*x))
				return (1+h)/2 + x/2*(1-h*h)*root*(1+3*0.044715*x*x)
			}},
	} {
		var x []float32
		for i := -2400; i <= 2400; i++ {
			x = append(x, float32(i)/200)
		}
		x = append(x, 50, -50, 88.5, -88.5, 120, -120, 1e4, -1e4, 1e-30, float32(math.NaN()))
		for _, isa := range []string{"", "avx2", "generic"} {
			t.Setenv("FX_KERNELS_ISA", isa)
			for _, size := range []int{1, 3, 17, len(x)} {
				part := x[len(x)-size:]
				value, gradient := activate(t, rt, c.kind, c.a, c.b, part)
				for i, v := range part {
					want, slope := c.value(float64(v)), 2*c.slope(float64(v))
					tolerance := 5e-7 * max(1, math.Abs(float64(v)))
					if isNaN := v != v; isNaN {
						if value[i] == value[i] {
							t.Errorf("%s, %s: the activation of NaN is %g", kernels.InstructionSet(), c.name, value[i])
						}
						continue
					}
					if !(math.Abs(float64(value[i])-want) <= tolerance) {
						t.Errorf("%s, %s: the activation of %g is %g, want %g", kernels.InstructionSet(), c.name, v,
							value[i], want)
					}
					if !(math.Abs(float64(gradient[i])-slope) <= 2*tolerance) {
						t.Errorf("%s, %s: the gradient at %g is %g, want %g", kernels.InstructionSet(), c.name, v,
							gradient[i], slope)
					}
				}
			}
		}
	}
}

// activate returns the activation of x and its gradient for a dY of 2.
func activate(t *testing.T, rt *ort.Runtime, kind int64, a, b float32, x []float32) (value, gradient []float32) {
	t.Helper()
	shape := []int64{int64(len(x))}
	g := &pb.GraphProto{Name: "activation",
		Input:  []*pb.ValueInfoProto{tensorInfo("x", shape), tensorInfo("dy", shape)},
		Output: []*pb.ValueInfoProto{tensorInfo("y", shape), tensorInfo("dx", shape)}}
	attributes := []*pb.AttributeProto{onnx.Int("activation", kind), onnx.Float("a", a), onnx.Float("b", b)}
	g.Node = []*pb.NodeProto{
		{OpType: "Activation", Domain: kernels.Domain, Input: []string{"x"}, Output: []string{"y"},
			Attribute: attributes},
		{OpType: "ActivationGrad", Domain: kernels.Domain, Input: []string{"dy", "x"}, Output: []string{"dx"},
			Attribute: attributes},
	}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	onnx.SetOpset(m, kernels.Domain, kernels.Version)
	dy := slices.Repeat([]float32{2}, len(x))
	outputs := orttest.Outputs(t, rt, m, 1, ort.NewTensor(x, shape...), ort.NewTensor(dy, shape...))
	return outputs[0], outputs[1]
}
