package imaging

import (
	"errors"
	"fmt"
)

var errBMPTruncated = errors.New("truncated BMP: its data ends before its last row")

// decodeBMP reads Windows' and OS/2's bitmaps as Pillow's BmpImagePlugin does, and also those of 2 bits a pixel: 1, 2,
// 4, 8, 16, 24 and 32 bits, plain, run-length coded or with masks, bottom-up or top-down. Alpha is dropped.
func (d *Decoder) decodeBMP(im *Image, data []byte, _ *int) error {
	h, err := readBMPHeader(data)
	if err != nil {
		return err
	}
	if err := d.checkSize(h.w, h.h); err != nil {
		return err
	}
	convert, bits, err := h.converter()
	if err != nil {
		return err
	}
	if h.compression == bmpRLE4 || h.compression == bmpRLE8 {
		if h.bits > 8 {
			return fmt.Errorf("damaged BMP: run-length coding of %d bits a pixel", h.bits)
		}
		return h.decodeRuns(im, data)
	}
	// The last row needs no padding after it.
	row, stride := (h.w*bits+7)/8, (h.w*h.bits+31)/32*4
	if row > stride { // a gray palette of fewer than 8 bits, with which Pillow fails
		convert, row = indexed(h.bits, &h.palette), (h.w*h.bits+7)/8
	}
	if at := h.pixels; at > len(data) || len(data)-at < row || (len(data)-at-row)/stride < h.h-1 {
		return errBMPTruncated
	}
	im.reset(h.w, h.h)
	for y := range h.h {
		convert(im.Pix[3*h.row(y)*h.w:][:3*h.w], data[h.pixels+y*stride:][:row])
	}
	return nil
}

// row returns the picture's row for the file's row y.
func (h *bmpHeader) row(y int) int {
	if h.topDown {
		return y
	}
	return h.h - 1 - y
}

// A rowConverter converts a row of stored pixels to RGB.
type rowConverter func(rgb, stored []byte)

// converter returns the function that converts a row to RGB, and the bits of a stored pixel.
func (h *bmpHeader) converter() (convert rowConverter, bits int, err error) {
	switch h.bits {
	case 16:
		if h.masks == mask565 {
			return convert565, 16, nil
		}
		return convert555, 16, nil
	case 24:
		return func(rgb, stored []byte) { pick(rgb, stored, 3, 2, 1, 0) }, 24, nil
	case 32:
		r, g, b := h.order[0], h.order[1], h.order[2]
		return func(rgb, stored []byte) { pick(rgb, stored, 4, r, g, b) }, 32, nil
	}
	// Pillow ignores the palette of a gray picture. It reads pictures with a gray palette of at most two colours as
	// one bit a pixel, of more colours as eight, whatever the header says.
	switch {
	case h.gray && h.colours <= 2:
		black := [3]uint8{}
		white := [3]uint8{255, 255, 255}
		return indexed(1, &[256][3]uint8{black, white}), 1, nil
	case h.gray:
		return indexed(8, &h.palette), 8, nil
	}
	return indexed(h.bits, &h.palette), h.bits, nil
}

// pick copies three bytes of each stored pixel of the given size.
func pick(rgb, stored []byte, size, r, g, b int) {
	for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[size:] {
		rgb[0], rgb[1], rgb[2] = stored[r], stored[g], stored[b]
	}
}

// indexed looks up colours by 1, 2, 4 or 8 bits, the highest bits of a byte first.
func indexed(bits int, palette *[256][3]uint8) rowConverter {
	if bits == 8 {
		return func(rgb, stored []byte) {
			for _, v := range stored[:len(rgb)/3] {
				c := &palette[v]
				rgb[0], rgb[1], rgb[2] = c[0], c[1], c[2]
				rgb = rgb[3:]
			}
		}
	}
	return func(rgb, stored []byte) {
		mask := byte(1<<bits - 1)
		shift := 8
		for ; len(rgb) >= 3; rgb = rgb[3:] {
			shift -= bits
			copy(rgb[:3], palette[stored[0]>>shift&mask][:])
			if shift == 0 {
				shift, stored = 8, stored[1:]
			}
		}
	}
}

func convert555(rgb, stored []byte) {
	for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[2:] {
		v := int(stored[0]) | int(stored[1])<<8
		rgb[0], rgb[1], rgb[2] = widen(v>>10, 31), widen(v>>5, 31), widen(v, 31)
	}
}

func convert565(rgb, stored []byte) {
	for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[2:] {
		v := int(stored[0]) | int(stored[1])<<8
		rgb[0], rgb[1], rgb[2] = widen(v>>11, 31), widen(v>>5, 63), widen(v, 31)
	}
}

// widen scales the lowest bits of v, as many as in top, to 8 bits.
func widen(v, top int) uint8 { return uint8(v & top * 255 / top) }
