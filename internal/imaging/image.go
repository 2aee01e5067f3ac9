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

// reset makes im w×h pixels large, reusing the memory that Pix already has.
// The pixels' values are left over and must all be written.
func (im *Image) reset(w, h int) {
	n := 3 * w * h
	if cap(im.Pix) < n {
		im.Pix = make([]uint8, n)
	}
	im.W, im.H, im.Pix = w, h, im.Pix[:n]
}

// check reports what makes im unusable.
func (im *Image) check() error {
	if im.W < 1 || im.H < 1 {
		return errors.New("image without pixels")
	}
	if len(im.Pix) != 3*im.W*im.H {
		return fmt.Errorf("image of %d×%d pixels holds %d values instead of %d", im.W, im.H, len(im.Pix), 3*im.W*im.H)
	}
	return nil
}
