package onnx

import (
	"testing"

	"fx/internal/onnx/pb"
)

// Sizes are those of torch.nn.MaxPool2d and torch.nn.Conv2d.
func TestEmptyMap(t *testing.T) {
	pool := func(attributes ...*pb.AttributeProto) func(b *Builder) string {
		return func(b *Builder) string { return b.Op("MaxPool", []string{"images"}, attributes...) }
	}
	for _, c := range []struct {
		name     string
		build    func(b *Builder) string
		smallest int // side that leaves something
	}{
		{"a pool of 3", pool(Ints("kernel_shape", 3, 3), Ints("strides", 2, 2)), 3},
		{"a pool of 3 by ceil_mode", pool(Ints("kernel_shape", 3, 3), Ints("strides", 2, 2), Int("ceil_mode", 1)), 2},
		{"a padded pool", pool(Ints("kernel_shape", 3, 3), Ints("pads", 1, 1, 1, 1)), 1},
		{"a pool that pads as it must", pool(Ints("kernel_shape", 3, 3), String("auto_pad", "SAME_UPPER")), 1},
		{"a dilated pool", pool(Ints("kernel_shape", 3, 3), Ints("dilations", 4, 4)), 9},
		{"a convolution of rows", func(b *Builder) string {
			w := b.Constant(NewFloat32("w", []int64{1, 3, 1, 7}, make([]float32, 21)))
			return b.Op("Conv", []string{"images", w}, Ints("pads", 0, 1, 0, 1))
		}, 5},
		{"a convolution after a pool and ops between", func(b *Builder) string {
			x := b.Op("MaxPool", []string{"images"}, Ints("kernel_shape", 2, 2), Ints("strides", 2, 2))
			x = b.Op("Concat", []string{x, b.Op("Relu", []string{x})}, Int("axis", 1))
			return b.Op("AveragePool", []string{x}, Ints("kernel_shape", 3, 3))
		}, 6},
		{"what is not followed", func(b *Builder) string {
			return b.Op("MaxPool", []string{b.Op("Resize", []string{"images"})}, Ints("kernel_shape", 9, 9))
		}, 1},
		{"a pool to one place", func(b *Builder) string { return b.Op("GlobalAveragePool", []string{"images"}) }, 1},
	} {
		g := &pb.GraphProto{}
		out := c.build(NewBuilder(g, ""))
		if got := EmptyMap(g, "images", c.smallest); got != "" {
			t.Errorf("%s: %q is empty at %d", c.name, got, c.smallest)
		}
		if got := EmptyMap(g, "images", c.smallest-1); c.smallest > 1 && got != out {
			t.Errorf("%s: %q is empty at %d, where %q is", c.name, got, c.smallest-1, out)
		}
	}
}
