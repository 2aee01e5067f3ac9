package imaging

import (
	"os"
	"slices"
	"testing"

	"fx/internal/random"
)

// TestResamplersAgree holds the vectors of every instruction set to the Go code,
// value for value, on parts of images within larger ones, and sees that nothing
// around the result is written.
func TestResamplersAgree(t *testing.T) {
	all := resamplers()
	if len(all) == 1 {
		t.Skip("fx was built without C: there is the Go code alone")
	}
	s := random.New(6, "resample")
	filters := map[string]filter{"bilinear": bilinear, "bicubic": bicubic}
	draw := func(most int) int { // small sizes often: those are the edges of the vectors' loops
		if s.IntN(2) == 0 {
			most = min(most, 40)
		}
		return 1 + s.IntN(most)
	}
	for i := range 600 {
		w, h, wide := draw(700), draw(300), s.IntN(50)
		stride := 3*w + wide
		pix := make([]uint8, stride*h-wide) // ends with the last pixel: to read beyond is to be caught
		for k := range pix {
			if pix[k] = uint8(s.Uint32()); i%3 == 0 {
				pix[k] = 255 * (pix[k] >> 7) // where sums leave 0–255
			}
		}
		wanted := func(side int) axis {
			size := draw(2 * side)
			if s.IntN(8) == 0 {
				size = side
			}
			count := 1 + s.IntN(size)
			return axis{size: size, first: s.IntN(size - count + 1), count: count}
		}
		x, y := wanted(w), wanted(h)
		dstStride := 3*x.count + s.IntN(20)
		for name, f := range filters {
			result := func(r resampler) []uint8 {
				const guard, margin = 0xA5, 64
				all := make([]uint8, dstStride*(y.count-1)+3*x.count+2*margin)
				for k := range all {
					all[k] = guard
				}
				v := view{pix: slices.Clone(pix), w: w, h: h, stride: stride}
				v.resample(all[margin:len(all)-margin:len(all)-margin], dstStride, x, y, f, new(scratch), r)
				return all
			}
			want := result(pure{})
			for _, r := range all {
				if !slices.Equal(result(r), want) {
					t.Errorf("%s, %s: %d×%d in rows of %d bytes to %+v and %+v in rows of %d: values differ from the "+
						"Go code's",
						r.name(), name, w, h, stride, x, y, dstStride)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

func TestInstructionSet(t *testing.T) {
	var names []string
	for _, r := range resamplers() {
		names = append(names, r.name())
	}
	want := names[0]
	if wanted := os.Getenv("FX_KERNELS_ISA"); slices.Contains(names, wanted) {
		want = wanted
	}
	if got := InstructionSet(); got != want {
		t.Errorf("%s is taken of %v, want %s", got, names, want)
	}
}

func BenchmarkResample(b *testing.B) {
	im := noise(500, 400, false)
	dst := make([]uint8, 3*224*224)
	for _, r := range resamplers() {
		b.Run(r.name(), func(b *testing.B) {
			s := new(scratch)
			for b.Loop() {
				view{pix: im.Pix, w: im.W, h: im.H, stride: 3 * im.W}.resample(dst, 3*224,
					axis{size: 280, first: 28, count: 224}, axis{size: 224, count: 224}, bilinear, s, r)
			}
		})
	}
}
