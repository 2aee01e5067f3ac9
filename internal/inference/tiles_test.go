package inference

import (
	"fmt"
	"math"
	"testing"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/random"
	"fx/internal/relative"
)

func noise(seed uint64, n int) []float32 {
	numbers := random.New(seed, "noise")
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(numbers.Uniform(-1, 1))
	}
	return v
}

// convolution is what a ConvTiles is to do.
type convolution struct {
	batch, channels, outputs, height, width, size int
	pads                                          [4]int // top, left, bottom, right
	bias, sum, relu                               bool
}

func (c convolution) out() (height, width int) {
	return c.height + c.pads[0] + c.pads[2] + 1 - c.size, c.width + c.pads[1] + c.pads[3] + 1 - c.size
}

// plain is the convolution by its definition, in double precision, of tensors that
// are not blocked.
func (c convolution) plain(x, weight, bias, sum []float32) []float64 {
	height, width := c.out()
	y := make([]float64, c.batch*c.outputs*height*width)
	for n := range c.batch {
		for o := range c.outputs {
			for i := range height {
				for j := range width {
					at := ((n*c.outputs+o)*height+i)*width + j
					for channel := range c.channels {
						for a := range c.size {
							for b := range c.size {
								row, column := i+a-c.pads[0], j+b-c.pads[1]
								if row < 0 || column < 0 || row >= c.height || column >= c.width {
									continue
								}
								y[at] += float64(x[((n*c.channels+channel)*c.height+row)*c.width+column]) *
									float64(weight[((o*c.channels+channel)*c.size+a)*c.size+b])
							}
						}
					}
					if c.bias {
						y[at] += float64(bias[o])
					}
					if c.sum {
						y[at] += float64(sum[at])
					}
					if c.relu {
						y[at] = max(y[at], 0)
					}
				}
			}
		}
	}
	return y
}

// blocked lays [batch, channels, places] out as [batch, channels/lanes, places, lanes].
func blocked(v []float32, batch, channels, places, lanes int) []float32 {
	b := make([]float32, len(v))
	for n := range batch {
		for c := range channels {
			for p := range places {
				b[((n*channels/lanes+c/lanes)*places+p)*lanes+c%lanes] = v[(n*channels+c)*places+p]
			}
		}
	}
	return b
}

// blockedWeight lays [outputs, channels, size, size] out by blocks of outputs and
// channels: [outputs/lanes, channels/lanes, size, size, channel, output].
func blockedWeight(v []float32, outputs, channels, places, lanes int) []float32 {
	b := make([]float32, len(v))
	for o := range outputs {
		for c := range channels {
			for p := range places {
				at := (((o/lanes*(channels/lanes)+c/lanes)*places+p)*lanes+c%lanes)*lanes + o%lanes
				b[at] = v[(o*channels+c)*places+p]
			}
		}
	}
	return b
}

// tiles runs the kernel itself on threads threads; the result is not blocked.
func (c convolution) tiles(t *testing.T, rt *ort.Runtime, threads int, x, weight, bias, sum []float32) []float32 {
	t.Helper()
	lanes := kernels.VectorLength()
	height, width := c.out()
	g := &pb.GraphProto{Name: "tiles"}
	b := onnx.NewBuilder(g, "")
	inputs := []string{
		b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, c.batch, c.channels, c.height, c.width)),
		b.Constant(onnx.NewFloat32("weight", []int64{int64(c.outputs), int64(c.channels), int64(c.size), int64(c.size)},
			blockedWeight(weight, c.outputs, c.channels, c.size*c.size, lanes))), "", "",
	}
	given := []ort.Tensor{ort.NewTensor(blocked(x, c.batch, c.channels, c.height*c.width, lanes), int64(c.batch),
		int64(c.channels), int64(c.height), int64(c.width))}
	if c.bias {
		inputs[2] = b.Constant(onnx.NewFloat32("bias", []int64{int64(c.outputs)}, bias))
	}
	if c.sum {
		inputs[3] = b.Input(onnx.TensorInfo("sum", pb.TensorProto_FLOAT, c.batch, c.outputs, height, width))
		given = append(given, ort.NewTensor(blocked(sum, c.batch, c.outputs, height*width, lanes), int64(c.batch),
			int64(c.outputs), int64(height), int64(width)))
	}
	relu := int64(0)
	if c.relu {
		relu = 1
	}
	y := b.Add(kernels.Domain, "ConvTiles", inputs, 1,
		onnx.Ints("pads", int64(c.pads[0]), int64(c.pads[1]), int64(c.pads[2]), int64(c.pads[3])), onnx.Int("relu",
			relu))[0]
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(y, pb.TensorProto_FLOAT, c.batch, c.outputs, height, width)}
	m := &pb.ModelProto{IrVersion: 8, Graph: g}
	onnx.SetOpset(m, "", 17)
	onnx.SetOpset(m, kernels.Domain, kernels.Version)
	data, plain := orttest.Outputs(t, rt, m, threads, given...)[0], make([]float32, c.batch*c.outputs*height*width)
	for i := range plain {
		n, o, p := i/(c.outputs*height*width), i/(height*width)%c.outputs, i%(height*width)
		plain[i] = data[((n*c.outputs/lanes+o/lanes)*height*width+p)*lanes+o%lanes]
	}
	return plain
}

func TestConvTiles(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, isa := range []string{"widest", "avx2", "generic"} {
		t.Setenv("FX_KERNELS_ISA", isa)
		for name, c := range map[string]convolution{
			"padded": {batch: 2, channels: 32, outputs: 48, height: 13, width: 10, size: 3,
				pads: [4]int{1, 1, 1, 1}, bias: true},
			"without padding": {batch: 1, channels: 16, outputs: 16, height: 9, width: 17, size: 3},
			"padded on one side": {batch: 1, channels: 16, outputs: 32, height: 7, width: 8, size: 3,
				pads: [4]int{0, 2, 2, 0}, bias: true},
			"one result": {batch: 3, channels: 16, outputs: 16, height: 3, width: 3, size: 3},
			"an image of one place": {batch: 1, channels: 16, outputs: 16, height: 1, width: 1, size: 3,
				pads: [4]int{1, 1, 1, 1}},
			"sum and relu": {batch: 2, channels: 32, outputs: 112, height: 8, width: 8, size: 3,
				pads: [4]int{1, 1, 1, 1}, bias: true, sum: true, relu: true},
			"sum without bias": {batch: 1, channels: 16, outputs: 16, height: 6, width: 6, size: 3,
				pads: [4]int{1, 1, 1, 1}, sum: true},
			"5×5": {batch: 2, channels: 48, outputs: 64, height: 9, width: 11, size: 5,
				pads: [4]int{2, 2, 2, 2}, bias: true, relu: true},
			"5×5 without padding": {batch: 1, channels: 16, outputs: 16, height: 6, width: 5, size: 5, sum: true},
			"5×5 padded on one side": {batch: 1, channels: 16, outputs: 32, height: 4, width: 9, size: 5,
				pads: [4]int{0, 4, 3, 1}, bias: true},
			"5×5, one result": {batch: 3, channels: 16, outputs: 16, height: 5, width: 5, size: 5},
			"5×5 of many tiles": {batch: 2, channels: 64, outputs: 96, height: 35, width: 29, size: 5,
				pads: [4]int{2, 2, 2, 2}, bias: true, sum: true, relu: true},
			"more channels than a part": {batch: 1, channels: 608, outputs: 16, height: 29, width: 27, size: 3,
				pads: [4]int{1, 1, 1, 1}, bias: true},
		} {
			t.Run(isa+"/"+name, func(t *testing.T) {
				height, width := c.out()
				x, weight := noise(1, c.batch*c.channels*c.height*c.width), noise(2, c.outputs*c.channels*c.size*c.size)
				bias, sum := noise(3, c.outputs), noise(4, c.batch*c.outputs*height*width)
				want, got := c.plain(x, weight, bias, sum), c.tiles(t, rt, 1, x, weight, bias, sum)
				if off := relative.L2(got, want); !(off < 5e-6) {
					t.Errorf("relative L2 distance from the definition %.1e", off)
				}
			})
		}
	}
}

// TestConvTilesBits holds results to the same bits on several threads, and whatever
// images share the batch.
func TestConvTilesBits(t *testing.T) {
	rt := orttest.Runtime(t)
	c := convolution{batch: 5, channels: 64, outputs: 80, height: 31, width: 30, size: 3, pads: [4]int{1, 1, 1, 1},
		bias: true, relu: true}
	x, weight, bias := noise(1, c.batch*c.channels*c.height*c.width), noise(2, c.outputs*c.channels*9), noise(3,
		c.outputs)
	together := c.tiles(t, rt, 1, x, weight, bias, nil)
	same := func(what string, got, want []float32) {
		t.Helper()
		for i, v := range want {
			if math.Float32bits(got[i]) != math.Float32bits(v) {
				t.Fatalf("%s: value %d is %v, not %v", what, i, got[i], v)
			}
		}
	}
	same("three threads", c.tiles(t, rt, 3, x, weight, bias, nil), together)
	one := c
	one.batch = 1
	for n := range c.batch {
		in, out := len(x)/c.batch, len(together)/c.batch
		same(fmt.Sprintf("image %d alone", n), one.tiles(t, rt, 1, x[n*in:(n+1)*in], weight, bias, nil),
			together[n*out:(n+1)*out])
	}
}
