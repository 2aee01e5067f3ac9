package backbones

import (
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// Pillow's resize in ONNX nodes.
//
// ONNX Runtime's own Resize(antialias=1) computes the filter's positions in
// float32 and so differs from Pillow's in 0.3-0.4 % of the values of real photos,
// by up to 11 levels. These nodes compute the same numbers as Pillow
// (src/libImaging/Resample.c): positions and weights in float64, weights rounded
// to multiples of 2^-22, two passes of which the first is rounded to 8 bits too.
// Only the pixels that the crop keeps are computed.
//
// The order of the passes changes the last bit, and more if values are clipped between
// them. Since version 13 it depends on the photo's shape. Two passes transpose a photo;
// an If transposes a tall one before them, another If the others after them, so that
// the same nodes implement both orders.
//
// A pass is a product of 8-bit pixels with 24-bit weights, exact in integers: there is
// one MatMulInteger for each of the weights' three bytes.

// precisionBits is the number of fraction bits of a weight, as in Pillow.
const precisionBits = 22

// fitImage adds nodes that turn one photo, uint8 [height, width, 3] of any size, into the
// features' batch of one, uint8 [1, crop, crop, 3]: torchvision's Resize, of the shorter
// side or of both, and CenterCrop. It returns the value's name.
func fitImage(b *onnx.Builder, image string, spec preprocess.Spec) string {
	shape := b.Op("Shape", []string{image})
	height := b.Op("Gather", []string{shape, b.Int64("zero", 0)})
	width := b.Op("Gather", []string{shape, b.Int64("one", 1)})
	sizes := resizedSides(b, height, width, spec)

	// A pass is over the last axis; the lines of the first pass are the second axis.
	tall := verticalFirst(b, height, width, sizes)
	lines := b.Op("Where", []string{tall, width, height})
	length := b.Op("Where", []string{tall, height, width})
	planes := b.Op("Transpose", []string{image}, onnx.Ints("perm", 2, 0, 1)) // [3, height, width]
	planes = turnIf(b, tall, planes)                                         // [3, lines, length]
	planes = filterPass(b, planes, filterMatrix(b, length, sizes, spec))     // [3, lines, crop]
	planes = b.Op("Transpose", []string{planes}, onnx.Ints("perm", 0, 2, 1))
	planes = filterPass(b, planes, filterMatrix(b, lines, sizes, spec)) // [3, crop of the length, crop of the lines]
	planes = turnIf(b, b.Op("Not", []string{tall}), planes)             // [3, crop of the height, crop of the width]
	pixels := b.Op("Transpose", []string{planes}, onnx.Ints("perm", 1, 2, 0))
	return b.Op("Unsqueeze", []string{pixels, b.Int64s("axes", 0)})
}

// resizedSide adds the size of a side of the photo after Resize.
type resizedSide func(side string) string

// resizedSides returns the size of either side: spec.Resize of both, or torchvision's
// _compute_resized_output_size, int(spec.Resize * side / shorter side).
func resizedSides(b *onnx.Builder, height, width string, spec preprocess.Spec) resizedSide {
	if spec.Mode == preprocess.Squash {
		return func(string) string { return b.Int64("resize", int64(spec.Resize)) }
	}
	shorter := b.Op("Min", []string{height, width})
	return func(side string) string {
		return b.Op("Div", []string{b.Op("Mul", []string{side, b.Int64("resize", int64(spec.Resize))}), shorter})
	}
}

// verticalFirst adds Pillow's choice of the order, a BOOL (pull request 9549): the
// columns are resized first if the height loses pixels, and more than twice as many as
// the width.
func verticalFirst(b *onnx.Builder, height, width string, sizes resizedSide) string {
	lost := func(side string) string { return b.Op("Sub", []string{side, sizes(side)}) }
	down, across := lost(height), lost(width)
	return b.Op("And", []string{
		b.Op("Greater", []string{down, b.Int64("zero", 0)}),
		b.Op("Greater", []string{down, b.Op("Mul", []string{across, b.Int64("two", 2)})}),
	})
}

// turnIf adds an If that swaps the last two of the three axes of a uint8 value
// or leaves them. (Such a Transpose of planes is ten times as fast in ONNX
// Runtime as one that takes [height, width, 3] to [3, width, height] at once.)
func turnIf(b *onnx.Builder, condition, planes string) string {
	branch := func(name, op string, attributes ...*pb.AttributeProto) *pb.AttributeProto {
		g := &pb.GraphProto{Name: name}
		out := b.Fresh(op)
		g.Node = []*pb.NodeProto{{Name: out, OpType: op, Input: []string{planes}, Output: []string{out},
			Attribute: attributes}}
		g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(out, pb.TensorProto_UINT8, 3, nil, nil)}
		return onnx.GraphAttribute(name, g)
	}
	return b.Op("If", []string{condition},
		branch("then_branch", "Transpose", onnx.Ints("perm", 0, 2, 1)), branch("else_branch", "Identity"))
}

// filterBytes names the values with a filter's weights, each uint8
// [input size, crop]: weight = low + 256·middle + 65536·(high - 128).
type filterBytes struct{ low, middle, high string }

// filterMatrix adds the weights that compute crop output pixels from the pixels of one
// side of the photo.
func filterMatrix(b *onnx.Builder, side string, sizes resizedSide, spec preprocess.Spec) filterBytes {
	toInt64 := onnx.Int("to", int64(pb.TensorProto_INT64))
	toFloat64 := onnx.Int("to", int64(pb.TensorProto_DOUBLE))
	half := b.Float64("half", 0.5)

	resized := sizes(side)
	first := cropStart(b, resized, spec.Crop)
	// [crop]
	output := b.Op("Range", []string{first, b.Op("Add", []string{first, b.Int64("crop", int64(spec.Crop))}),
		b.Int64("one", 1)})

	// Pillow's precompute_coeffs.
	radius := 1.0
	if spec.Interpolation == preprocess.Bicubic {
		radius = 2
	}
	scale := b.Op("Div", []string{b.Op("Cast", []string{side}, toFloat64), b.Op("Cast", []string{resized}, toFloat64)})
	filterScale := b.Op("Max", []string{scale, b.Float64("unit", 1)})
	reach := b.Op("Mul", []string{filterScale, b.Float64("radius", radius)})
	center := b.Op("Mul", []string{b.Op("Add", []string{b.Op("Cast", []string{output}, toFloat64), half}), scale})
	// a cast truncates, as C does
	low := b.Op("Cast", []string{b.Op("Add", []string{b.Op("Sub", []string{center, reach}), half})}, toInt64)
	low = b.Op("Max", []string{low, b.Int64("zero", 0)})
	high := b.Op("Cast", []string{b.Op("Add", []string{b.Op("Add", []string{center, reach}), half})}, toInt64)
	high = b.Op("Min", []string{high, side})

	position := b.Op("Range", []string{b.Int64("zero", 0), side, b.Int64("one", 1)})
	position = b.Op("Unsqueeze", []string{position, b.Int64s("axes", 1)}) // [input size, 1]
	distance := b.Op("Sub", []string{b.Op("Cast", []string{position}, toFloat64), center})
	distance = b.Op("Mul", []string{b.Op("Add", []string{distance, half}),
		b.Op("Div", []string{b.Float64("unit", 1), filterScale})})
	weight := filterWeight(b, b.Op("Abs", []string{distance}), spec.Interpolation)

	inside := b.Op("And", []string{b.Op("GreaterOrEqual", []string{position, low}),
		b.Op("Less", []string{position, high})})
	weight = b.Op("Mul", []string{weight, b.Op("Cast", []string{inside}, toFloat64)})
	total := b.Op("ReduceSum", []string{weight, b.Int64s("axes", 0)}, onnx.Int("keepdims", 1))
	if spec.Crop > spec.Resize {
		// torchvision pads a photo smaller than the crop with black: no weight at all.
		exists := b.Op("And", []string{
			b.Op("GreaterOrEqual", []string{output, b.Int64("zero", 0)}),
			b.Op("Less", []string{output, resized}),
		})
		weight = b.Op("Mul", []string{weight, b.Op("Cast", []string{exists}, toFloat64)})
		total = b.Op("Where", []string{exists, total, b.Float64("unit", 1)})
	}
	weight = b.Op("Div", []string{weight, total})

	// Pillow's normalize_coeffs_8bpc: to the nearest integer, halves away from zero.
	weight = b.Op("Mul", []string{weight, b.Float64("precision", 1<<precisionBits)})
	weight = b.Op("Add", []string{weight, b.Op("Mul", []string{b.Op("Sign", []string{weight}), half})})
	fixed := b.Op("Cast", []string{weight}, toInt64)
	fixed = b.Op("Add", []string{fixed, b.Int64("positive", 128<<16)})

	base := b.Int64("base", 256)
	toUint8 := onnx.Int("to", int64(pb.TensorProto_UINT8))
	rest := b.Op("Div", []string{fixed, base})
	return filterBytes{
		low:    b.Op("Cast", []string{b.Op("Mod", []string{fixed, base})}, toUint8),
		middle: b.Op("Cast", []string{b.Op("Mod", []string{rest, base})}, toUint8),
		high:   b.Op("Cast", []string{b.Op("Div", []string{rest, base})}, toUint8),
	}
}

// cropStart adds the first pixel of torchvision's center_crop:
// int(round((size - crop) / 2)), where Python rounds halves to even; below zero if the
// photo is padded first, -((crop - size) // 2).
func cropStart(b *onnx.Builder, size string, crop int) string {
	two := b.Int64("two", 2)
	spare := b.Op("Sub", []string{size, b.Int64("crop", int64(crop))})
	spare = b.Op("Max", []string{spare, b.Int64("zero", 0)})
	floor := b.Op("Div", []string{spare, two})
	odd := b.Op("Mul", []string{b.Op("Mod", []string{spare, two}), b.Op("Mod", []string{floor, two})})
	start := b.Op("Add", []string{floor, odd})
	lack := b.Op("Max", []string{b.Op("Sub", []string{b.Int64("crop", int64(crop)), size}), b.Int64("zero", 0)})
	return b.Op("Sub", []string{start, b.Op("Div", []string{lack, two})})
}

// filterWeight adds Pillow's bilinear_filter or bicubic_filter (a = -0.5) of the
// distance x, which is not negative.
func filterWeight(b *onnx.Builder, x string, kind preprocess.Interpolation) string {
	zero, one := b.Float64("none", 0), b.Float64("unit", 1)
	if kind == preprocess.Bilinear {
		return b.Op("Max", []string{b.Op("Sub", []string{one, x}), zero})
	}
	near := b.Op("Sub", []string{b.Op("Mul", []string{b.Float64("near_3", 1.5), x}), b.Float64("near_2", 2.5)})
	near = b.Op("Mul", []string{b.Op("Mul", []string{near, x}), x})
	near = b.Op("Add", []string{near, one})
	far := b.Op("Mul", []string{b.Op("Sub", []string{x, b.Float64("far_2", 5)}), x})
	far = b.Op("Mul", []string{b.Op("Add", []string{far, b.Float64("far_1", 8)}), x})
	far = b.Op("Mul", []string{b.Op("Sub", []string{far, b.Float64("far_0", 4)}), b.Float64("far", -0.5)})
	far = b.Op("Where", []string{b.Op("Less", []string{x, b.Float64("two", 2)}), far, zero})
	return b.Op("Where", []string{b.Op("Less", []string{x, one}), near, far})
}

// filterPass adds one pass over the last axis: uint8 [3, lines, input size] to
// uint8 [3, lines, crop], each value rounded and clipped as Pillow's clip8 does.
func filterPass(b *onnx.Builder, planes string, w filterBytes) string {
	byteZero := b.Constant(onnx.NewRaw("byte_zero", pb.TensorProto_UINT8, nil, []byte{0}))
	offset := b.Constant(onnx.NewRaw("byte_offset", pb.TensorProto_UINT8, nil, []byte{128}))
	sum := b.Op("Mul", []string{b.Op("MatMulInteger", []string{planes, w.high, byteZero, offset}),
		int32Constant(b, 1<<16)})
	middle := b.Op("Mul", []string{b.Op("MatMulInteger", []string{planes, w.middle, byteZero, byteZero}),
		int32Constant(b, 1<<8)})
	sum = b.Op("Add", []string{sum, middle})
	sum = b.Op("Add", []string{sum, b.Op("MatMulInteger", []string{planes, w.low, byteZero, byteZero})})
	sum = b.Op("Add", []string{sum, int32Constant(b, 1<<(precisionBits-1))})
	value := b.Op("Div", []string{sum, int32Constant(b, 1<<precisionBits)})
	value = b.Op("Clip", []string{value, int32Constant(b, 0), int32Constant(b, 255)})
	return b.Op("Cast", []string{value}, onnx.Int("to", int64(pb.TensorProto_UINT8)))
}

func int32Constant(b *onnx.Builder, v uint32) string {
	return b.Constant(onnx.NewRaw("int32", pb.TensorProto_INT32, nil,
		[]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}))
}
