package backbones

import (
	"fmt"
	"math"

	"fx/internal/fail"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// A vision transformer has a table of learned position embeddings, one row for each patch of the photos that it was
// trained on. For photos of another size the rows, seen as a square picture, are resampled as the network's authors
// do:
//
//   - DINOv2 (facebookresearch/dinov2, interpolate_pos_encoding): bicubic without antialiasing, with the scale
//     (side + 0.1) / old side;
//   - DINOv2 with registers there, and timm (resample_abs_pos_embed) for all others: bicubic with antialiasing.

// positions describes a table of position embeddings.
type positions struct {
	Table    string   `json:"table"`    // a parameter [1, prefix + side * side, width]
	Prefix   int      `json:"prefix"`   // rows before those of the patches
	Resample resample `json:"resample"` // how its authors adapt it to photos of another size; "" is timm's
}

type resample string

// dinov2 is the resampling of DINOv2's networks without registers.
const dinov2 resample = "dinov2"

// checkCrop returns an error if the network can't take photos of its crop: fail.Usage.
func (b Backbone) checkCrop() error {
	if own := b.row.Weights[0].Preprocess.Crop; b.row.FixedSize && b.Preprocess.Crop != own {
		return fail.New(fail.Usage, "Omit --crop.", "%s can't take photos of %d×%d pixels, only of %d×%d", b.Name,
			b.Preprocess.Crop, b.Preprocess.Crop, own, own)
	}
	t := b.row.Tokens
	if t == nil || b.Preprocess.Crop%t.Patch == 0 {
		return nil
	}
	near := max(b.Preprocess.Crop/t.Patch, 1) * t.Patch
	return fail.New(fail.Usage,
		fmt.Sprintf("Give a multiple of its patch of %d pixels, such as --crop %d.", t.Patch, near),
		"%s can't take photos of %d×%d pixels", b.Name, b.Preprocess.Crop, b.Preprocess.Crop)
}

// setPositions gives a skeleton's table of positions the number of rows that b's crop needs.
func setPositions(m *pb.ModelProto, b Backbone) {
	t := b.row.Tokens
	if t == nil || t.Positions == nil {
		return
	}
	for _, parameter := range m.Graph.Initializer {
		if parameter.Name == t.Positions.Table {
			side := int64(b.Preprocess.Crop / t.Patch)
			parameter.Dims[1] = int64(t.Positions.Prefix) + side*side
		}
	}
}

// fit returns the table of positions of weights for photos of another size, with the rows that b needs. A table that
// is no square of rows is returned as it is, and refused with the other shapes.
func (b Backbone) fitPositions(table weights.Tensor) (weights.Tensor, error) {
	t := b.row.Tokens
	side := b.Preprocess.Crop / t.Patch
	prefix := t.Positions.Prefix
	if len(table.Shape) != 3 || table.Shape[0] != 1 || table.Shape[1] == prefix+side*side {
		return table, nil
	}
	old := int(math.Sqrt(float64(table.Shape[1] - prefix)))
	width := table.Shape[2]
	if old < 1 || prefix+old*old != table.Shape[1] {
		return table, nil
	}
	values, err := table.Float32s()
	if err != nil {
		return table, err
	}
	matrix := resampleAntialiased(old, side)
	if t.Positions.Resample == dinov2 {
		matrix = resampleBicubic(old, side, float64(old)/(float64(side)+0.1))
	}
	fitted := append(make([]float32, 0, (prefix+side*side)*width), values[:prefix*width]...)
	fitted = append(fitted, resampleSquare(values[prefix*width:], old, side, width, matrix)...)
	return weights.FromFloat32([]int{1, prefix + side*side, width}, fitted), nil
}

// resampleSquare applies the matrix [to][from] to both axes of a picture [from, from, width].
func resampleSquare(picture []float32, from, to, width int, matrix [][]float64) []float32 {
	rows := make([]float64, from*to*width) // [from, to, width]
	for y := range from {
		for x, weights := range matrix {
			for i, w := range weights {
				if w == 0 {
					continue
				}
				for c := range width {
					rows[(y*to+x)*width+c] += w * float64(picture[(y*from+i)*width+c])
				}
			}
		}
	}
	out := make([]float32, to*to*width)
	sum := make([]float64, to*width)
	for y, weights := range matrix {
		clear(sum)
		for i, w := range weights {
			if w == 0 {
				continue
			}
			for k := range sum {
				sum[k] += w * rows[i*to*width+k]
			}
		}
		for k, v := range sum {
			out[y*to*width+k] = float32(v)
		}
	}
	return out
}

// cubic is the convolution kernel of bicubic interpolation at the distance x.
func cubic(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// resampleBicubic returns the weights [to][from] of torch's interpolate(mode="bicubic") with this scale of input to
// output pixels: a = -0.75, pixels beyond the edge repeat the edge.
func resampleBicubic(from, to int, scale float64) [][]float64 {
	matrix := make([][]float64, to)
	for o := range matrix {
		matrix[o] = make([]float64, from)
		at := (float64(o)+0.5)*scale - 0.5
		first := int(math.Floor(at)) - 1
		for i := first; i < first+4; i++ {
			matrix[o][min(max(i, 0), from-1)] += cubic(at-float64(i), -0.75)
		}
	}
	return matrix
}

// resampleAntialiased returns the weights [to][from] of torch's interpolate(mode="bicubic", antialias=True): a = -0.5,
// a wider kernel where pixels are lost, and weights beyond the edge left out.
func resampleAntialiased(from, to int) [][]float64 {
	scale := float64(from) / float64(to)
	stretch := max(scale, 1)
	matrix := make([][]float64, to)
	for o := range matrix {
		matrix[o] = make([]float64, from)
		center := scale * (float64(o) + 0.5)
		first := max(int(center-2*stretch+0.5), 0)
		last := min(int(center+2*stretch+0.5), from)
		total := 0.0
		for i := first; i < last; i++ {
			matrix[o][i] = cubic((float64(i)-center+0.5)/stretch, -0.5)
			total += matrix[o][i]
		}
		for i := first; i < last; i++ {
			matrix[o][i] /= total
		}
	}
	return matrix
}
