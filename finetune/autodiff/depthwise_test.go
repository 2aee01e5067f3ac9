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
	"fx/internal/random"
)

// depthwise is a depthwise convolution over images of height by width; pads are top, left, bottom, right.
type depthwise struct {
	batch, channels, height, width int64
	kernel, stride, dilation       [2]int64
	pads                           [4]int64
}

func (d depthwise) out() (height, width int64) {
	size := func(in, axis int64) int64 {
		return (in+d.pads[axis]+d.pads[axis+2]-(d.kernel[axis]-1)*d.dilation[axis]-1)/d.stride[axis] + 1
	}
	return size(d.height, 0), size(d.width, 1)
}

// each calls f for every product of the sum: y[out] += weight[tap]·x[in].
func (d depthwise) each(f func(out, tap, in int64)) {
	rows, columns := d.out()
	for plane := range d.batch * d.channels {
		for p := range rows * columns {
			for t := range d.kernel[0] * d.kernel[1] {
				h := p/columns*d.stride[0] + t/d.kernel[1]*d.dilation[0] - d.pads[0]
				w := p%columns*d.stride[1] + t%d.kernel[1]*d.dilation[1] - d.pads[1]
				if h >= 0 && h < d.height && w >= 0 && w < d.width {
					f(plane*rows*columns+p, plane%d.channels*d.kernel[0]*d.kernel[1]+t,
						(plane*d.height+h)*d.width+w)
				}
			}
		}
	}
}

// kernels runs the convolution and its gradients and returns y, dx, dw and db.
func (d depthwise) kernels(t *testing.T, rt *ort.Runtime, threads int, x, weight, bias, dy []float32) [][]float32 {
	t.Helper()
	rows, columns := d.out()
	in, out := []int64{d.batch, d.channels, d.height, d.width}, []int64{d.batch, d.channels, rows, columns}
	filters, channels := []int64{d.channels, 1, d.kernel[0], d.kernel[1]}, []int64{d.channels}
	g := &pb.GraphProto{Name: "depthwise", Input: []*pb.ValueInfoProto{tensorInfo("x", in), tensorInfo("w", filters),
		tensorInfo("b", channels), tensorInfo("dy", out)}, Output: []*pb.ValueInfoProto{tensorInfo("y", out),
		tensorInfo("dx", in), tensorInfo("dw", filters), tensorInfo("db", channels)}}
	node := func(op string, inputs, outputs []string, more ...*pb.AttributeProto) {
		g.Node = append(g.Node, &pb.NodeProto{OpType: op, Domain: kernels.Domain, Input: inputs, Output: outputs,
			Attribute: append(more, onnx.Ints("kernel_shape", d.kernel[:]...), onnx.Ints("strides", d.stride[:]...),
				onnx.Ints("dilations", d.dilation[:]...),
				onnx.Ints("pads", d.pads[:]...), onnx.Int("group", d.channels))})
	}
	node("DepthwiseConv", []string{"x", "w", "b"}, []string{"y"}, onnx.Ints("output_shape", rows, columns))
	node("DepthwiseConv", []string{"dy", "w"}, []string{"dx"}, onnx.Ints("output_shape", d.height, d.width),
		onnx.Int("transposed", 1))
	node("ConvWeightGrad", []string{"dy", "x"}, []string{"dw", "db"})
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	onnx.SetOpset(m, kernels.Domain, kernels.Version)
	return orttest.Outputs(t, rt, m, threads, ort.NewTensor(x, in...), ort.NewTensor(weight, filters...),
		ort.NewTensor(bias, channels...), ort.NewTensor(dy, out...))
}

// TestDepthwise compares a depthwise convolution and its gradients with their definition, added up in float64, for
// every instruction set. A value may differ by the rounding of as many float32 products as it has.
func TestDepthwise(t *testing.T) {
	rt := orttest.Runtime(t)
	var all []depthwise
	for _, k := range [][2]int64{{1, 1}, {3, 3}, {5, 5}, {7, 7}, {2, 4}} {
		for _, stride := range [][2]int64{{1, 1}, {2, 2}, {3, 1}, {1, 2}, {2, 3}} {
			for _, size := range [][2]int64{{7, 7}, {14, 13}, {19, 33}} {
				for _, pad := range []int64{0, 1, k[0] / 2, k[0] + 2} {
					all = append(all, depthwise{2, 3, size[0], size[1], k, stride, [2]int64{1, 1},
						[4]int64{pad, pad, pad, pad}})
				}
			}
		}
	}
	same := [2]int64{1, 1}
	all = append(all,
		depthwise{1, 2, 17, 23, [2]int64{3, 3}, same, [2]int64{3, 2}, [4]int64{3, 2, 3, 2}},
		depthwise{1, 2, 40, 45, [2]int64{3, 5}, [2]int64{2, 2}, [2]int64{7, 9}, [4]int64{0, 40, 9, 3}},
		depthwise{1, 1, 9, 80, [2]int64{3, 3}, same, same, [4]int64{0, 2, 1, 0}},
		depthwise{2, 5, 1, 1, [2]int64{3, 3}, same, same, [4]int64{1, 1, 1, 1}},
		depthwise{2, 3, 7, 7, [2]int64{7, 7}, same, same, [4]int64{}},
		depthwise{1, 2, 30, 30, [2]int64{16, 16}, [2]int64{16, 16}, same, [4]int64{}},
		depthwise{1, 2, 112, 112, [2]int64{3, 3}, [2]int64{2, 2}, same, [4]int64{0, 0, 1, 1}})
	for i, d := range all {
		if rows, columns := d.out(); rows < 1 || columns < 1 {
			continue
		}
		draw := func(what string, n int64) []float32 {
			stream, v := random.New(uint64(i), what), make([]float32, n)
			for k := range v {
				v[k] = float32(stream.Normal())
			}
			return v
		}
		rows, columns := d.out()
		x, dy := draw("x", d.batch*d.channels*d.height*d.width), draw("dy", d.batch*d.channels*rows*columns)
		weight, bias := draw("w", d.channels*d.kernel[0]*d.kernel[1]), draw("b", d.channels)
		want, size := make([][]float64, 4), make([][]float64, 4)
		for k, n := range []int{len(dy), len(x), len(weight), len(bias)} {
			want[k], size[k] = make([]float64, n), make([]float64, n)
		}
		add := func(k int, at int64, v float64) { want[k][at] += v; size[k][at] += math.Abs(v) }
		for p := range int64(len(dy)) {
			c := p / (rows * columns) % d.channels
			add(0, p, float64(bias[c]))
			add(3, c, float64(dy[p]))
		}
		d.each(func(out, tap, in int64) {
			add(0, out, float64(weight[tap])*float64(x[in]))
			add(1, in, float64(weight[tap])*float64(dy[out]))
			add(2, tap, float64(dy[out])*float64(x[in]))
		})
		for _, isa := range []string{"", "avx2", "generic"} {
			t.Setenv("FX_KERNELS_ISA", isa)
			got := d.kernels(t, rt, 2, x, weight, bias, dy)
			for k, name := range []string{"y", "dx", "dw", "db"} {
				for n := range want[k] {
					if v := float64(got[k][n]); !(math.Abs(v-want[k][n]) <= 1e-6*size[k][n]) {
						t.Fatalf("%s, %+v: %s[%d] is %g, want %g", kernels.InstructionSet(), d, name, n, v, want[k][n])
					}
				}
			}
			for k, one := range d.kernels(t, rt, 1, x, weight, bias, dy) {
				if !slices.Equal(one, got[k]) {
					t.Fatalf("%s, %+v: result %d depends on the number of threads", kernels.InstructionSet(), d, k)
				}
			}
		}
	}
}
