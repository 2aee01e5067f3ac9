package autodiff

import (
	"math"
	"slices"

	"fx/internal/onnx/pb"
)

// Scaled dot-product attention, Softmax(scale·Q·Kᵀ + mask)·V. Source: Vaswani et al.,
// "Attention Is All You Need", 2017.
var attentionRules = map[string]rule{
	"Attention": {forward: attentionForward, backward: attentionGradient},
}

func attentionForward(c *context) {
	q, k := c.shape(c.in(0)), c.shape(c.in(1))
	others := slices.ContainsFunc(c.node.Input[min(4, len(c.node.Input)):], func(in string) bool { return in != "" })
	if len(q) != 4 || q[1] != k[1] || others || c.integer("is_causal", 0) != 0 || c.float("softcap", 0) != 0 ||
		slices.ContainsFunc(c.node.Output[1:], func(out string) bool { return out != "" }) {
		c.fail("only queries, keys and values [batch, heads, positions, size] with a mask have a rule, without " +
			"is_causal, softcap, past keys and further outputs: " +
			"extend attentionForward in finetune/autodiff/rules_attention.go")
		return
	}
	scores := c.Op("MatMul", c.timesScale(c.in(0)), c.swapLast(c.in(1), 4))
	switch mask := c.in(3); {
	case mask == "":
	case c.graph.values[mask].DType == pb.TensorProto_BOOL:
		scores = c.Op("Where", mask, scores, c.Scalar(math.Inf(-1)))
	default:
		scores = c.Op("Add", scores, mask)
	}
	weights := c.Op("Softmax", scores)
	c.save("weights", weights)
	c.replace("MatMul", []string{weights, c.in(2)})
}

// timesScale returns x, queries or their gradient, times scale.
func (c *context) timesScale(x string) string {
	size := c.shape(c.in(0))[3]
	return c.Op("Mul", x, c.Scalar(c.float("scale", float32(1/math.Sqrt(float64(size))))))
}

func attentionGradient(c *context) {
	weights := c.load("weights")
	if c.needs(2) {
		c.give(2, c.Op("MatMul", c.swapLast(weights, 4), c.dy))
	}
	dw := c.Op("MatMul", c.dy, c.swapLast(c.in(2), 4))
	ds := c.Op("Mul", weights, c.Op("Sub", dw, c.sum(c.Op("Mul", dw, weights), true, 3)))
	if c.needs(0) {
		c.give(0, c.timesScale(c.Op("MatMul", ds, c.in(1))))
	}
	if c.needs(1) {
		c.give(1, c.Op("MatMul", c.swapLast(ds, 4), c.timesScale(c.in(0))))
	}
	if c.needs(3) {
		scores := c.shape(c.in(0))[:3:3]
		c.give(3, c.sumTo(ds, append(scores, c.shape(c.in(1))[2]), c.shape(c.in(3))))
	}
}
