package autodiff_test

import (
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

func einsumCases() []gradientCase {
	einsum := func(equation string, shapes ...dims) gradientCase {
		return node("Einsum", equation, vars(shapes...), onnx.String("equation", equation)).withStep(1)
	}
	return []gradientCase{
		einsum("ij,jk->ik", dims{3, 4}, dims{4, 2}),
		einsum("B G H I D, B G H J D -> B G H I J", dims{2, 1, 3, 4, 5}, dims{2, 1, 3, 6, 5}),
		einsum("B G H I J, B G H J D -> B G H I D", dims{2, 1, 3, 4, 6}, dims{2, 1, 3, 6, 5}),
		einsum("byhwc,hkc->byhwk", dims{2, 2, 3, 4, 5}, dims{3, 6, 5}),
		einsum("ab,cb", dims{3, 4}, dims{2, 4}), // implicit: ac
		einsum("ab,bc,cd->da", dims{2, 3}, dims{3, 4}, dims{4, 2}),
		einsum("ij->ji", dims{3, 4}),
		einsum("ijk,j->k", dims{3, 4, 2}, dims{4}), // i is only in one operand, and summed
	}
}

func attentionCases() []gradientCase {
	q, k, v := dims{2, 3, 4, 5}, dims{2, 3, 6, 5}, dims{2, 3, 6, 7}
	masked := node("Attention", "a mask that learns", vars(q, k, v, dims{3, 1, 6}))
	masked.variables[3].name = "mask"
	cases := []gradientCase{
		node("Attention", "", vars(q, k, v)),
		node("Attention", "scale", vars(q, k, v), onnx.Float("scale", 0.5)),
		masked,
		{name: "a mask of booleans", op: "Attention", variables: vars(q, k, v), build: func(b *onnx.Builder) string {
			mask := onnx.NewRaw("mask", pb.TensorProto_BOOL, dims{1, 6}, []byte{1, 0, 1, 1, 0, 1})
			return b.Op("Attention", []string{"x", "y", "z", b.Constant(mask)})
		}},
	}
	for i := range cases {
		cases[i].opset = 23
	}
	return cases
}
