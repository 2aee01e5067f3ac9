package autodiff_test

import (
	"fmt"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/random"
)

// The cases of normalization, pooling, convolution and dropout.

func normalizationCases() []gradientCase {
	var cases []gradientCase
	for _, x := range []dims{{6, 3}, {4, 3, 5}, {2, 3, 4, 5}, {2, 2, 3, 2, 2}} {
		for _, offset := range []float64{0, 30} {
			for _, frozen := range []bool{false, true} {
				per := dims{x[1]}
				cases = append(cases, gradientCase{
					name: fmt.Sprint(x, offset, frozen), op: "BatchNormalization", frozen: frozen,
					variables: []variable{
						{name: "x", shape: x, fill: func(s *random.Stream) float64 { return offset + s.Normal() }},
						{name: "scale", shape: per}, {name: "bias", shape: per},
					},
					build: func(b *onnx.Builder) string {
						n := int(x[1])
						mean := b.Constant(onnx.NewFloat32("mean", per, slices.Repeat([]float32{float32(offset)}, n)))
						variance := b.Constant(onnx.NewFloat32("variance", per, slices.Repeat([]float32{2}, n)))
						return b.Op("BatchNormalization", []string{"x", "scale", "bias", mean, variance},
							onnx.Float("epsilon", 1e-3))
					},
				})
			}
		}
	}
	for _, axis := range []int64{-1, 1, -2} {
		x := dims{3, 4, 5}
		per := x[(axis+3)%3:]
		cases = append(cases, node("LayerNormalization", fmt.Sprint(axis), vars(x, per, per), onnx.Int("axis", axis),
			onnx.Float("epsilon", 1e-3)))
	}
	for _, x := range []dims{{2, 4, 3, 5}, {2, 4, 7}, {3, 8}} {
		per := dims{x[1]}
		if len(x) > 2 {
			cases = append(cases, node("InstanceNormalization", fmt.Sprint(x), vars(x, per, per),
				onnx.Float("epsilon", 1e-3)))
		}
		c := node("GroupNormalization", fmt.Sprint(x), vars(x, per, per), onnx.Int("num_groups", 2),
			onnx.Float("epsilon", 1e-3))
		c.opset = 21
		cases = append(cases, c)
	}
	cases = append(cases, gradientCase{
		name: "computed statistics", op: "BatchNormalization", variables: vars(dims{1, 3, 8}, dims{3}, dims{3}),
		build: func(b *onnx.Builder) string { // of standardized weights, as torch writes them
			axes := b.Int64s("axes", 0, 2)
			centred := b.Op("Sub", []string{"x", b.Op("ReduceMean", []string{"x", axes})})
			mean := b.Op("ReduceMean", []string{"x", axes}, onnx.Int("keepdims", 0))
			variance := b.Op("ReduceMean", []string{b.Op("Mul", []string{centred, centred}), axes},
				onnx.Int("keepdims", 0))
			return b.Op("BatchNormalization", []string{"x", "y", "z", mean, variance}, onnx.Float("epsilon", 1e-3))
		},
	}, gradientCase{
		name: "given statistics", op: "BatchNormalization",
		variables: []variable{{name: "x", shape: dims{2, 3, 4}}, {name: "mean", shape: dims{3}},
			{name: "variance", shape: dims{3}, fill: positive}},
		build: func(b *onnx.Builder) string {
			one := b.Constant(onnx.NewFloat32("one", dims{3}, []float32{1, 2, 3}))
			mean, variance := b.Op("Neg", []string{"mean"}), b.Op("Abs", []string{"variance"})
			return b.Op("BatchNormalization", []string{"x", one, one, mean, variance})
		},
	})
	return append(cases, node("LayerNormalization", "no bias", vars(dims{3, 8}, dims{8}), onnx.Float("epsilon", 1e-3)))
}

// windowed are the attributes of a convolution or pooling.
type windowed struct {
	kernel, strides, pads, dilations dims
	group, ceil, includePad          int64
	auto                             string
}

func (w windowed) attributes(pooling bool) []*pb.AttributeProto {
	a := []*pb.AttributeProto{onnx.Ints("kernel_shape", w.kernel...)}
	for name, list := range map[string]dims{"strides": w.strides, "pads": w.pads, "dilations": w.dilations} {
		if list != nil {
			a = append(a, onnx.Ints(name, list...))
		}
	}
	if w.auto != "" {
		a = append(a, onnx.String("auto_pad", w.auto))
	}
	if w.group > 1 {
		a = append(a, onnx.Int("group", w.group))
	}
	if pooling && w.ceil == 1 {
		a = append(a, onnx.Int("ceil_mode", 1))
	}
	if w.includePad == 1 {
		a = append(a, onnx.Int("count_include_pad", 1))
	}
	return a
}

func poolingCases() []gradientCase {
	cases := []gradientCase{
		node("GlobalAveragePool", "", vars(dims{2, 3, 4, 5})).withStep(1),
		node("GlobalMaxPool", "", spread(dims{2, 3, 4, 5})),
	}
	for _, w := range []windowed{
		{kernel: dims{3, 3}, strides: dims{2, 2}},
		{kernel: dims{3, 3}, strides: dims{2, 2}, ceil: 1},
		{kernel: dims{3, 3}, strides: dims{2, 2}, pads: dims{1, 1, 1, 1}},
		{kernel: dims{3, 3}, strides: dims{2, 2}, pads: dims{1, 1, 1, 1}, ceil: 1},
		{kernel: dims{3, 3}, pads: dims{1, 1, 1, 1}},
		{kernel: dims{2, 2}, strides: dims{2, 2}},
		{kernel: dims{2, 2}, strides: dims{2, 2}, ceil: 1},
		{kernel: dims{3, 2}, strides: dims{1, 2}, pads: dims{1, 0, 0, 1}},
		{kernel: dims{1, 1}, strides: dims{2, 2}},
		{kernel: dims{1, 1}},
		{kernel: dims{5, 5}, strides: dims{3, 3}},
		{kernel: dims{2, 2}, strides: dims{3, 3}},
		{kernel: dims{3, 3}, strides: dims{2, 2}, auto: "SAME_UPPER"},
		{kernel: dims{2, 2}, auto: "SAME_LOWER"},
		{kernel: dims{2, 3}, dilations: dims{2, 2}},
	} {
		for _, x := range []dims{{2, 3, 7, 7}, {1, 2, 6, 9}} {
			name := fmt.Sprint(x, w)
			cases = append(cases, node("MaxPool", name, spread(x), w.attributes(true)...))
			for _, include := range []int64{0, 1} {
				w.includePad = include
				cases = append(cases, node("AveragePool", fmt.Sprint(name, include), vars(x),
					w.attributes(true)...).withStep(1))
			}
			w.includePad = 0
		}
	}
	return append(cases,
		node("MaxPool", "one axis", spread(dims{2, 3, 9}),
			windowed{kernel: dims{3}, strides: dims{2}}.attributes(true)...),
		node("AveragePool", "one axis", vars(dims{2, 3, 9}),
			windowed{kernel: dims{3}, strides: dims{2}}.attributes(true)...).withStep(1))
}

func convolutionCases() []gradientCase {
	var cases []gradientCase
	add := func(x, weight dims, w windowed) {
		w.kernel = weight[2:]
		for _, bias := range []bool{false, true} {
			v := vars(x, weight)
			if bias {
				v = vars(x, weight, dims{weight[0]})
			}
			c := node("Conv", fmt.Sprint(x, weight, w, bias), v, w.attributes(false)...).withStep(1)
			cases = append(cases, c)
		}
	}
	for _, x := range []dims{{2, 4, 9, 7}, {1, 4, 17, 15}} { // few places and many
		for _, w := range []windowed{
			{},
			{pads: dims{1, 1, 1, 1}},
			{strides: dims{2, 2}, pads: dims{1, 1, 1, 1}},
			{strides: dims{2, 2}},
			{strides: dims{3, 2}, pads: dims{0, 1, 1, 0}},
			{dilations: dims{2, 2}, pads: dims{2, 2, 2, 2}},
			{dilations: dims{2, 1}, strides: dims{1, 2}},
			{pads: dims{2, 0, 1, 3}},
			{pads: dims{4, 4, 4, 4}}, // more than the kernel's reach
			{pads: dims{4, 4, 4, 4}, strides: dims{2, 2}},
			{auto: "SAME_UPPER", strides: dims{2, 2}},
			{auto: "SAME_LOWER"},
			{auto: "VALID"},
		} {
			add(x, dims{3, 4, 3, 3}, w)
			wide := dims{x[0], 9, x[2], x[3]} // enough channels for a product per tap
			add(wide, dims{5, 9, 3, 3}, w)
			add(wide, dims{10, 9, 3, 2}, w)
		}
		add(x, dims{3, 4, 7, 7}, windowed{strides: dims{2, 2}, pads: dims{3, 3, 3, 3}})
		add(x, dims{3, 4, 7, 8}, windowed{pads: dims{3, 2, 1, 4}})
		add(x, dims{3, 4, 1, 1}, windowed{})
		add(x, dims{3, 4, 1, 1}, windowed{strides: dims{2, 2}})
		add(x, dims{3, 4, 1, 1}, windowed{strides: dims{3, 3}}) // windows apart, places unread
		add(x, dims{3, 4, 1, 7}, windowed{pads: dims{0, 3, 0, 3}})
		add(x, dims{3, 4, 5, 2}, windowed{strides: dims{4, 1}})
		add(x, dims{6, 2, 3, 3}, windowed{group: 2, pads: dims{1, 1, 1, 1}})
		add(x, dims{4, 2, 3, 3}, windowed{group: 2, strides: dims{2, 2}})
		add(x, dims{4, 1, 3, 3}, windowed{group: 4, pads: dims{1, 1, 1, 1}})
		add(x, dims{4, 1, 3, 3}, windowed{group: 4, strides: dims{2, 2}, pads: dims{1, 1, 1, 1}})
		add(x, dims{4, 1, 3, 3}, windowed{group: 4, strides: dims{2, 2}})
		add(x, dims{4, 1, 3, 3}, windowed{group: 4, dilations: dims{2, 2}})
		add(x, dims{4, 1, 5, 5}, windowed{group: 4, strides: dims{1, 2}, pads: dims{2, 2, 2, 2}})
		add(x, dims{8, 1, 3, 3}, windowed{group: 4, pads: dims{1, 1, 1, 1}}) // channel multiplier
		add(x, dims{4, 1, 7, 7}, windowed{group: 4, pads: dims{3, 3, 3, 3}})
	}
	add(dims{2, 3, 9}, dims{4, 3, 3}, windowed{strides: dims{2}, pads: dims{1, 1}})
	add(dims{1, 2, 4, 5, 6}, dims{3, 2, 2, 2, 3}, windowed{strides: dims{1, 2, 1}, pads: dims{0, 1, 1, 0, 1, 1}})
	return cases
}

func dropoutCases() []gradientCase {
	return []gradientCase{
		{name: "a half", op: "Dropout", variables: vars(dims{4, 9}), step: 1, build: func(b *onnx.Builder) string {
			return b.Op("Dropout", []string{"x", b.Float32("ratio", 0.5),
				b.Constant(onnx.NewRaw("training", pb.TensorProto_BOOL, nil, []byte{1}))})
		}},
		{name: "of ones: stochastic depth", op: "Dropout", variables: vars(dims{8, 3, 2}), step: 1,
			build: func(b *onnx.Builder) string {
				batch := b.Op("Shape", []string{"x"}, onnx.Int("end", 1))
				shape := b.Op("Concat", []string{batch, b.Int64s("ones", 1, 1)}, onnx.Int("axis", 0))
				one := onnx.TensorAttribute("value", onnx.NewFloat32("", dims{1}, []float32{1}))
				mask := b.Op("Dropout", []string{b.Op("ConstantOfShape", []string{shape}, one), b.Float32("drop", 0.5),
					b.Constant(onnx.NewRaw("training", pb.TensorProto_BOOL, nil, []byte{1}))})
				return b.Op("Mul", []string{"x", mask})
			}},
		{name: "nothing", op: "Dropout", variables: vars(dims{4, 9}), step: 1, build: func(b *onnx.Builder) string {
			return b.Op("Dropout", []string{"x", b.Float32("ratio", 0)})
		}},
	}
}
