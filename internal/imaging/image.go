package imaging

import (
	"errors"
	"fmt"
)

// Image is a decoded picture: W×H pixels of red, green and blue, 8 bits each,
// interleaved, rows from top to bottom without padding, so that the pixel at
// column x and row y is Pix[3*(y*W+x):][:3].
type Image struct {
	W, H int
	Pix  []uint8 // 3*W*H values
}

// reset makes im w×h pixels large and reuses Pix's memory. The pixels' values are undefined.
func (im *Image) reset(w, h int) {
	n := 3 * w * h
	if cap(im.Pix) < n {
		im.Pix = make([]uint8, n)
	}
	im.W, im.H, im.Pix = w, h, im.Pix[:n]
}

// check returns an error if im is unusable.
func (im *Image) check() error {
	if im.W < 1 || im.H < 1 {
		return errors.New("image without pixels")
	}
	if len(im.Pix) != 3*im.W*im.H {
		return fmt.Errorf("image of %d×%d pixels has %d values instead of %d", im.W, im.H, len(im.Pix), 3*im.W*im.H)
	}
	return nil
}
