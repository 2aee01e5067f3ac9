package imaging

import (
	"fmt"
	"math"

	"fx/internal/preprocess"
	"fx/internal/random"
)

// CenterView writes torchvision's evaluation view of im into dst: Resize to spec.Resize, of the shorter side or of both
// as spec.Mode says, with antialiasing; then CenterCrop to spec.Crop, which pads with zeros (black) if the resized
// image is smaller. The values equal those of torchvision on a PIL image, to the last bit. Only the pixels of the crop
// are computed.
//
// dst receives spec.Crop×spec.Crop pixels, row by row, R, G, B interleaved: 3*Crop*Crop values.
func (im *Image) CenterView(spec preprocess.Spec, dst []uint8) error {
	if err := im.checkView(spec, dst); err != nil {
		return err
	}
	w, h := resized(im.W, im.H, spec)
	s := newScratch()
	defer s.free()
	x := centre(w, spec.Crop)
	y := centre(h, spec.Crop)
	if x.count < spec.Crop || y.count < spec.Crop {
		clear(dst)
	}
	source := view{pix: im.Pix, w: im.W, h: im.H, stride: 3 * im.W}
	source.resample(dst[3*(y.at*spec.Crop+x.at):], 3*spec.Crop,
		axis{size: w, first: x.first, count: x.count},
		axis{size: h, first: y.first, count: y.count},
		filterOf(spec.Interpolation), s, best())
	return nil
}

// resized returns the size of a w×h image after spec's Resize. The longer side is truncated, as in torchvision's
// _compute_resized_output_size.
func resized(w, h int, spec preprocess.Spec) (int, int) {
	switch side := spec.Resize; {
	case spec.Mode == preprocess.Squash:
		return side, side
	case w <= h:
		return side, int(float64(side*h) / float64(w))
	default:
		return int(float64(side*w) / float64(h)), side
	}
}

// placement is the range of an axis' resized pixels that the crop keeps, and their position in the crop.
type placement struct{ first, count, at int }

// centre places size pixels in a crop as torchvision's CenterCrop does:
// round((size-crop)/2) with halves to even, as Python rounds; a smaller image
// is padded by (crop-size)/2, rounded down, on its left or top.
func centre(size, crop int) placement {
	if size < crop {
		return placement{count: size, at: (crop - size) / 2}
	}
	return placement{first: int(math.RoundToEven(float64(size-crop) / 2)), count: crop}
}

// Region is a part of an image that RandomResizedCrop chose.
type Region struct {
	Top, Left, Height, Width int  // pixels of the image
	Flip                     bool // mirror left to right after resizing
}

// RandomResizedCrop's and RandomHorizontalFlip's defaults in torchvision.
const (
	minArea, maxArea   = 0.08, 1.0
	minRatio, maxRatio = 3.0 / 4, 4.0 / 3
	flipProbability    = 0.5
)

// RandomRegion draws a region of a w×h image by the algorithm of torchvision's RandomResizedCrop.get_params (area
// 0.08–1 of the image's, ratio of the sides 3/4–4/3, ten tries, then the largest central part whose ratio is allowed),
// and whether to flip it, with probability 0.5. The region depends only on s, whichever worker draws it.
func RandomRegion(w, h int, s *random.Stream) Region {
	r := randomPlace(w, h, s)
	r.Flip = s.Float64() < flipProbability
	return r
}

func randomPlace(w, h int, s *random.Stream) Region {
	area := float64(w) * float64(h)
	for range 10 {
		target := area * s.Uniform(minArea, maxArea)
		ratio := math.Exp(s.Uniform(math.Log(minRatio), math.Log(maxRatio)))
		cw := int(math.RoundToEven(math.Sqrt(target * ratio)))
		ch := int(math.RoundToEven(math.Sqrt(target / ratio)))
		if 0 < cw && cw <= w && 0 < ch && ch <= h {
			return Region{Top: s.IntN(h - ch + 1), Left: s.IntN(w - cw + 1), Height: ch, Width: cw}
		}
	}
	cw, ch := w, h
	if in := float64(w) / float64(h); in < minRatio {
		ch = int(math.RoundToEven(float64(w) / minRatio))
	} else if in > maxRatio {
		cw = int(math.RoundToEven(float64(h) * maxRatio))
	}
	return Region{Top: (h - ch) / 2, Left: (w - cw) / 2, Height: ch, Width: cw}
}

// RandomView writes a random training view of im into dst, as torchvision's RandomResizedCrop(spec.Crop) and
// RandomHorizontalFlip do: RegionView of the RandomRegion of s. spec.Resize and spec.Mode are not used.
func (im *Image) RandomView(spec preprocess.Spec, s *random.Stream, dst []uint8) error {
	if err := im.checkView(spec, dst); err != nil {
		return err
	}
	return im.RegionView(spec, RandomRegion(im.W, im.H, s), dst)
}

// RegionView writes region r of im into dst, resized to spec.Crop×spec.Crop pixels and flipped if r.Flip is set. The
// values equal those of Pillow's crop, resize and transpose. dst is laid out as CenterView's.
func (im *Image) RegionView(spec preprocess.Spec, r Region, dst []uint8) error {
	if err := im.checkView(spec, dst); err != nil {
		return err
	}
	if r.Width < 1 || r.Height < 1 || r.Left < 0 || r.Top < 0 || r.Width > im.W-r.Left || r.Height > im.H-r.Top {
		return fmt.Errorf("region %+v is not inside an image of %d×%d pixels", r, im.W, im.H)
	}
	s := newScratch()
	defer s.free()
	source := view{pix: im.Pix[3*(r.Top*im.W+r.Left):], w: r.Width, h: r.Height, stride: 3 * im.W}
	whole := axis{size: spec.Crop, count: spec.Crop}
	source.resample(dst, 3*spec.Crop, whole, whole, filterOf(spec.Interpolation), s, best())
	if r.Flip {
		for y := range spec.Crop {
			flip(dst[3*y*spec.Crop:][:3*spec.Crop])
		}
	}
	return nil
}

// flip mirrors one row of pixels.
func flip(row []uint8) {
	for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
		row[i], row[j] = row[j], row[i]
		row[i+1], row[j+1] = row[j+1], row[i+1]
		row[i+2], row[j+2] = row[j+2], row[i+2]
	}
}

func (im *Image) checkView(spec preprocess.Spec, dst []uint8) error {
	if err := im.check(); err != nil {
		return err
	}
	if err := spec.Check(); err != nil {
		return err
	}
	if want := 3 * spec.Crop * spec.Crop; len(dst) != want {
		return fmt.Errorf("a view of %d×%d pixels needs %d values, not %d", spec.Crop, spec.Crop, want, len(dst))
	}
	return nil
}
