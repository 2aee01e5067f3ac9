package imaging

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fx/internal/preprocess"
	"fx/internal/random"
)

// noise is make_resample.py's synthetic image.
func noise(w, h int, edges bool) *Image {
	im := &Image{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for i := range im.Pix {
		v := uint32(i)*2654435761 + 12345
		v ^= v >> 15
		v *= 2246822519
		v ^= v >> 13
		im.Pix[i] = uint8(v)
		if edges {
			im.Pix[i] = 255 * (uint8(v) >> 7)
		}
	}
	return im
}

func TestResampleEqualsPillow(t *testing.T) {
	var goldens struct {
		Centre []struct {
			W, H         int
			Edges        bool
			Mode         preprocess.Mode
			Resize, Crop int
			Filter       preprocess.Interpolation
			Sum          string
		}
		Regions []struct {
			W, H   int
			Region Region
			Crop   int
			Filter preprocess.Interpolation
			Sum    string
		}
	}
	readJSON(t, "testdata/resample.json", &goldens)
	if len(goldens.Centre) == 0 || len(goldens.Regions) == 0 {
		t.Fatal("no goldens")
	}
	for _, g := range goldens.Centre {
		dst := make([]uint8, 3*g.Crop*g.Crop)
		for i := range dst {
			dst[i] = 99 // what was there before must not show
		}
		s := spec(g.Resize, g.Crop, g.Filter)
		s.Mode = g.Mode
		if err := noise(g.W, g.H, g.Edges).CenterView(s, dst); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(digest(dst), g.Sum) {
			t.Errorf("%d×%d (edges %v) %s: pixels differ", g.W, g.H, g.Edges, s.View())
		}
	}
	for _, g := range goldens.Regions {
		dst := make([]uint8, 3*g.Crop*g.Crop)
		if err := noise(g.W, g.H, false).RegionView(spec(1, g.Crop, g.Filter), g.Region, dst); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(digest(dst), g.Sum) {
			t.Errorf("%d×%d %+v %s to %d: pixels differ", g.W, g.H, g.Region, g.Filter, g.Crop)
		}
	}
}

func TestRandomRegion(t *testing.T) {
	flips := 0
	var area, ratio float64
	const n = 4000
	for i := range uint64(n) {
		r := RandomRegion(500, 375, random.New(1, "test", i))
		if r.Width < 1 || r.Height < 1 || r.Left < 0 || r.Top < 0 || r.Left+r.Width > 500 || r.Top+r.Height > 375 {
			t.Fatalf("region %+v", r)
		}
		part := float64(r.Width*r.Height) / (500 * 375)
		if part < 0.078 || part > 1 {
			t.Errorf("region %+v has %.3f of the area", r, part)
		}
		if q := float64(r.Width) / float64(r.Height); q < 0.74 || q > 1.35 {
			t.Errorf("region %+v has ratio %.3f", r, q)
		}
		if r.Flip {
			flips++
		}
		area += part
		ratio += math.Log(float64(r.Width) / float64(r.Height))
	}
	// torchvision 0.29.2's own get_params, 100000 draws for this size: area
	// 0.4338 with a standard deviation of 0.217, log ratio 0.0310 with 0.164.
	// Four standard errors are allowed.
	if a := area / n; math.Abs(a-0.4338) > 4*0.217/math.Sqrt(n) {
		t.Errorf("mean area %.4f", a)
	}
	if q := ratio / n; math.Abs(q-0.0310) > 4*0.164/math.Sqrt(n) {
		t.Errorf("mean log ratio %.4f", q)
	}
	if flips < n/2-130 || flips > n/2+130 {
		t.Errorf("%d of %d flipped", flips, n)
	}

	// Sides whose ratio no region can have: the central part.
	for _, c := range []struct {
		w, h int
		want Region
	}{
		{1000, 10, Region{Left: 493, Top: 0, Width: 13, Height: 10}},
		{10, 1000, Region{Left: 0, Top: 493, Width: 10, Height: 13}},
	} {
		got := RandomRegion(c.w, c.h, random.New(1, "test"))
		got.Flip = false
		if got != c.want {
			t.Errorf("%d×%d: %+v instead of %+v", c.w, c.h, got, c.want)
		}
	}
}

func TestRandomViewIsItsRegion(t *testing.T) {
	im := noise(90, 70, false)
	s := spec(1, 24, preprocess.Bilinear)
	for i := range uint64(20) {
		got, want := make([]uint8, 3*24*24), make([]uint8, 3*24*24)
		if err := im.RandomView(s, random.New(3, "view", i), got); err != nil {
			t.Fatal(err)
		}
		if err := im.RegionView(s, RandomRegion(90, 70, random.New(3, "view", i)), want); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("draw %d: RandomView is not RegionView of RandomRegion", i)
		}
	}
}

func TestViewErrors(t *testing.T) {
	im := noise(8, 8, false)
	ok := spec(4, 4, preprocess.Bilinear)
	for name, err := range map[string]error{
		"short dst":    im.CenterView(ok, make([]uint8, 47)),
		"no pixels":    new(Image).CenterView(ok, make([]uint8, 48)),
		"short pixels": (&Image{W: 9, H: 8, Pix: im.Pix}).CenterView(ok, make([]uint8, 48)),
		"bad spec":     im.CenterView(preprocess.Spec{}, nil),
		"outside":      im.RegionView(ok, Region{Left: 5, Width: 4, Height: 8}, make([]uint8, 48)),
		"overflow":     im.RegionView(ok, Region{Left: 5, Width: math.MaxInt, Height: 8}, make([]uint8, 48)),
		"empty region": im.RegionView(ok, Region{Width: 0, Height: 8}, make([]uint8, 48)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
