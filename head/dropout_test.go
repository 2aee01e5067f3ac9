package head

import (
	"math"
	"math/bits"
	"slices"
	"testing"
)

func TestDropoutKeepsItsShare(t *testing.T) {
	const words, photos = 700, 20
	for _, p := range []float64{0.001, 0.2, 0.5, 0.9} {
		d := newDropout(p, 0, 1)
		kept, mask := 0, make([]uint64, words)
		for photo := range photos {
			d.fill(sample{photo: photo}, mask)
			for _, w := range mask {
				kept += bits.OnesCount64(w)
			}
		}
		const n = words * photos * 64
		want := (1 - p) * n
		if off := math.Abs(float64(kept) - want); off > 5*math.Sqrt(n*p*(1-p))+n/65536. {
			t.Errorf("dropout %g keeps %d of %d", p, kept, n)
		}
		near(t, "scale", d.scale, 1/(1-p), 2e-5/(1-p)/(1-p))
	}
	if newDropout(0, 0, 1) != nil {
		t.Error("dropout 0 makes masks")
	}
}

func TestDropoutDependsOnSeedEpochAndPhotoAlone(t *testing.T) {
	mask := func(seed uint64, epoch, photo, row int) []uint64 {
		m := make([]uint64, 4)
		newDropout(0.5, seed, epoch).fill(sample{photo: photo, row: row}, m)
		return m
	}
	base := mask(1, 2, 3, 4)
	if !slices.Equal(base, mask(1, 2, 3, 4)) {
		t.Error("drawn again, the mask differs")
	}
	if !slices.Equal(base, mask(1, 2, 3, 5)) {
		t.Error("another view of the photo has another mask")
	}
	for name, other := range map[string][]uint64{"seed": mask(2, 2, 3, 4), "epoch": mask(1, 3, 3, 4),
		"photo": mask(1, 2, 4, 4)} {
		if slices.Equal(base, other) {
			t.Errorf("another %s has the same mask", name)
		}
	}
}

func TestApplyMask(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 200} {
		src := uniform(features, n, 1)
		mask := make([]uint64, (n+63)/64)
		newDropout(0.5, 0, 1).fill(sample{}, mask)
		dst := uniform(valFeatures, n, 1)
		applyMask(dst, src, mask)
		for i, v := range dst {
			want := float32(0)
			if mask[i/64]>>(i%64)&1 == 1 {
				want = src[i]
			}
			if v != want {
				t.Fatalf("length %d: value %d is %g, want %g", n, i, v, want)
			}
		}
	}
}
