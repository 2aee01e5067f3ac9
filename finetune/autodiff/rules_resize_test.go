package autodiff_test

import (
	"fmt"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

func resizeCases() []gradientCase {
	var cases []gradientCase
	sized := func(name string, x, size dims, attributes ...*pb.AttributeProto) {
		cases = append(cases, gradientCase{name: name, op: "Resize", variables: vars(x), step: 1,
			build: func(b *onnx.Builder) string {
				return b.Op("Resize", []string{"x", "", "", b.Int64s("sizes", size...)}, attributes...)
			}})
	}
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, corners := range []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"} {
			for _, size := range []dims{{2, 3, 9, 6}, {2, 3, 2, 7}, {2, 3, 5, 3}} {
				sized(fmt.Sprint(mode, corners, size), dims{2, 3, 4, 6}, size, onnx.String("mode", mode),
					onnx.String("coordinate_transformation_mode", corners), onnx.Float("cubic_coeff_a", -0.75),
					onnx.String("nearest_mode", "floor"))
			}
		}
	}
	sized("one axis", dims{2, 3, 4}, dims{2, 3, 10})
	sized("named axes", dims{2, 3, 4, 5}, dims{7, 8}, onnx.Ints("axes", 2, -1), onnx.String("mode", "linear"))
	sized("antialias", dims{1, 2, 8, 9}, dims{1, 2, 3, 4}, onnx.String("mode", "linear"), onnx.Int("antialias", 1))
	for _, scale := range []float32{2, 1.2, 0.6} { // with 1.2 the size stays, but not the values
		cases = append(cases, gradientCase{name: fmt.Sprint("scale ", scale), op: "Resize",
			variables: vars(dims{2, 3, 4, 4}), step: 1, build: func(b *onnx.Builder) string {
				scales := b.Constant(onnx.NewFloat32("scales", dims{4}, []float32{1, 1, scale, scale}))
				return b.Op("Resize", []string{"x", "", scales}, onnx.String("mode", "linear"))
			}})
	}
	return cases
}
