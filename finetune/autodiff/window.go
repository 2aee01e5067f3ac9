package autodiff

import "slices"

// window is the geometry of a convolution or pooling over the axes from the
// third on.
type window struct {
	in, out, kernel, stride, dilation, before, after []int64 // one number per spatial axis
}

// window reads the node's attributes; kernel has the sizes if the node does not.
func (c *context) window(kernel []int64) window {
	in, out := c.shape(c.in(0)), c.shape(c.out(0))
	rank := len(in) - 2
	if rank < 1 || len(out) != len(in) {
		c.fail("an input of shape %v has no axis for a window", in)
		return window{}
	}
	w := window{
		in: in[2:], out: out[2:], kernel: kernel,
		stride: c.list("strides", rank, 1), dilation: c.list("dilations", rank, 1),
	}
	if kernel == nil {
		w.kernel = c.list("kernel_shape", rank, 0)
	}
	pads := c.list("pads", 2*rank, 0)
	w.before, w.after = slices.Clone(pads[:rank]), slices.Clone(pads[rank:])
	switch mode := c.text("auto_pad", "NOTSET"); mode {
	case "NOTSET":
	case "VALID":
		w.before, w.after = make([]int64, rank), make([]int64, rank)
	case "SAME_UPPER", "SAME_LOWER":
		for i := range rank {
			total := max((w.out[i]-1)*w.stride[i]+w.extent(i)-w.in[i], 0)
			w.before[i] = total / 2
			if mode == "SAME_LOWER" {
				w.before[i] = total - total/2
			}
			w.after[i] = total - w.before[i]
		}
	default:
		c.fail("auto_pad %q is unknown", mode)
	}
	return w
}

// extent returns the number of positions that the dilated kernel covers on axis i.
func (w window) extent(i int) int64 { return (w.kernel[i]-1)*w.dilation[i] + 1 }

// reach returns the size of the padded input that the windows cover on axis i.
func (w window) reach(i int) int64 { return (w.out[i]-1)*w.stride[i] + w.extent(i) }

// plain reports whether every window is one position and together they cover the input.
func (w window) plain() bool {
	return product(w.kernel) == 1 && product(w.stride) == 1 && slices.Equal(w.in, w.out) && !w.padded()
}

func (w window) padded() bool {
	nonzero := func(p int64) bool { return p != 0 }
	return slices.ContainsFunc(w.before, nonzero) || slices.ContainsFunc(w.after, nonzero)
}

// disjoint reports whether no position belongs to two windows.
func (w window) disjoint() bool {
	for i := range w.kernel {
		if w.stride[i] < w.extent(i) && w.out[i] > 1 {
			return false
		}
	}
	return true
}

// taps calls f with the offset, in positions, of each element of the kernel,
// row-major.
func (w window) taps(f func(offset []int64)) {
	offset := make([]int64, len(w.kernel))
	for range product(w.kernel) {
		f(offset)
		for i := len(offset) - 1; i >= 0; i-- {
			if offset[i] += w.dilation[i]; offset[i] < w.extent(i) {
				break
			}
			offset[i] = 0
		}
	}
}
