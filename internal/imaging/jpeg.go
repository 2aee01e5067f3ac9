package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

func (d *Decoder) decodeJPEG(im *Image, data []byte, orientation *int) error {
	h, hasEOI, err := d.vetJPEG(data)
	if err != nil {
		return err
	}
	*orientation = orientationOf(h.exif)
	if d.turbo != nil {
		return d.turbo.decode(im, data, h, d.denominator(h.w, h.h))
	}
	return decodeGoJPEG(im, data, h, hasEOI)
}

// vetJPEG returns what is wrong with a JPEG before anything is allocated for its pixels.
func (d *Decoder) vetJPEG(data []byte) (h *jpegHeader, hasEOI bool, err error) {
	if h, err = readJPEGHeader(data); err != nil {
		return h, false, err
	}
	if err = d.checkSize(h.w, h.h); err != nil {
		return h, false, err
	}
	hasEOI, err = h.checkComplete(data)
	return h, hasEOI, err
}

func (d *Decoder) refuseJPEG(data []byte) error {
	h, _, err := d.vetJPEG(data)
	if err == nil && d.turbo == nil { // as goJPEG
		err = h.checkScans(data)
	}
	return err
}

// denominator returns the 8, 4, 2 or 1 by which decoding divides the sides of a w×h JPEG.
func (d *Decoder) denominator(w, h int) int {
	if d.side == 0 {
		return 1
	}
	// TurboJPEG takes the size, not the scale: only sides of at least eight pixels distinguish all scales.
	side := max(d.side, 8)
	for _, n := range []int{8, 4, 2} {
		if min(w, h)/side >= n {
			return n
		}
	}
	return 1
}

// decodeGoJPEG decodes the planes with image/jpeg, and converts them to RGB as libjpeg does.
func decodeGoJPEG(im *Image, data []byte, h *jpegHeader, hasEOI bool) error {
	picture, err := goJPEG(data, h, hasEOI)
	if err != nil {
		return err
	}
	im.reset(h.w, h.h)
	if b := picture.Bounds(); b.Dx() != h.w || b.Dy() != h.h {
		return fmt.Errorf("%w: two sizes", errJPEGHeader)
	}
	switch p := picture.(type) {
	case *image.YCbCr:
		return convertYCbCr(im, p)
	case *image.CMYK:
		// image/jpeg has already undone Adobe's inversion.
		for y := range im.H {
			plainCMYK(im.Pix[3*y*im.W:][:3*im.W], p.Pix[y*p.Stride:])
		}
		return nil
	}
	return im.from(picture)
}

// goJPEG decodes with image/jpeg.
func goJPEG(data []byte, h *jpegHeader, hasEOI bool) (image.Image, error) {
	if err := h.checkScans(data); err != nil {
		return nil, err
	}
	for _, c := range h.components {
		// Later scans may have their own tables; image/jpeg treats a missing one as zeros.
		if !h.manyScans() && (c.quant > 3 || !h.tables[c.quant]) {
			return nil, fmt.Errorf("%w: no quantisation table %d", errJPEGHeader, c.quant)
		}
	}
	parts := []io.Reader{bytes.NewReader(data)}
	if len(h.components) == 4 && !h.adobe {
		// By default libjpeg reads four components as plain inks; image/jpeg needs a marker for that.
		inks := "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
		parts = []io.Reader{bytes.NewReader(data[:2]), bytes.NewReader([]byte(inks)), bytes.NewReader(data[2:])}
	}
	if !hasEOI {
		parts = append(parts, bytes.NewReader([]byte{0xFF, markEOI}))
	}
	picture, err := jpeg.Decode(io.MultiReader(parts...))
	if err != nil {
		return nil, fmt.Errorf("decoder go image/jpeg: %w (libjpeg-turbo reads more files: `fx runtime doctor` says "+
			"how to get it)", err)
	}
	return picture, nil
}

// invertedCMYK converts inverted inks to RGB. Adobe's programs store them inverted in JPEG, and Pillow assumes that of
// every file.
func invertedCMYK(rgb, cmyk []uint8) {
	for i, j := 0, 0; i+3 <= len(rgb); i, j = i+3, j+4 {
		p, q := rgb[i:i+3], cmyk[j:j+4]
		k := q[3]
		p[0], p[1], p[2] = scale(q[0], k), scale(q[1], k), scale(q[2], k)
	}
}

// plainCMYK converts inks to RGB; 255 is full ink.
func plainCMYK(rgb, cmyk []uint8) {
	for i, j := 0, 0; i+3 <= len(rgb); i, j = i+3, j+4 {
		p, q := rgb[i:i+3], cmyk[j:j+4]
		k := 255 - q[3]
		p[0], p[1], p[2] = scale(255-q[0], k), scale(255-q[1], k), scale(255-q[2], k)
	}
}

// scale is Pillow's CMYK to RGB for one value: the light through the ink times the light through black, with Pillow's
// rounding.
func scale(light, k uint8) uint8 {
	ink := uint32(255-light)*uint32(k) + 128
	return k - uint8((ink+ink>>8)>>8)
}
