package imaging

import (
	"encoding/binary"
	"fmt"
	"image"
)

// tiffJPEG decodes a segment that is a JPEG stream (TIFF technical note 2) into rows of samples. The TIFF determines
// the components: YCbCr becomes RGB, others are not converted.
func (d *Decoder) tiffJPEG(p *tiffPicture, packed []byte, rows int) ([]byte, error) {
	stream, err := p.jpegStream(packed)
	if err != nil {
		return nil, err
	}
	h, err := readJPEGHeader(stream)
	if err != nil {
		return nil, err
	}
	if err := p.checkJPEG(h, rows); err != nil {
		return nil, err
	}
	_, hasEOI, err := h.walkScans(stream)
	if err != nil {
		return nil, err
	}
	n := len(h.components)
	if n == 4 {
		return d.jpegInks(stream, h, hasEOI)
	}
	part := new(Image)
	if d.turbo != nil {
		err = d.turbo.decode(part, stream, h, 1)
	} else {
		err = decodeGoJPEG(part, stream, h, hasEOI)
	}
	if err != nil || n == 3 {
		return part.Pix, err
	}
	gray := part.Pix[:h.w*h.h]
	for i := range gray {
		gray[i] = part.Pix[3*i]
	}
	return gray, nil
}

// checkJPEG refuses what libtiff refuses (JPEGPreDecode of its tif_jpeg.c), and components that are
// smaller than their segment.
func (p *tiffPicture) checkJPEG(h *jpegHeader, rows int) error {
	want := p.samples
	if p.planes > 1 {
		want = 1
	}
	if len(h.components) != want {
		return fmt.Errorf("damaged TIFF: a JPEG of %d components for %d samples a pixel", len(h.components), want)
	}
	// The last strip may have the height of the others.
	if h.w != p.segW || h.h < rows || h.h > p.segH {
		return fmt.Errorf("damaged TIFF: a JPEG of %d×%d pixels in a segment of %d×%d", h.w, h.h, p.segW, rows)
	}
	const one = 0x11 // a sampling factor of 1 in both directions
	for i, c := range h.components {
		if c.hv != one && (i > 0 || p.photometric != tiffYCbCr) {
			return fmt.Errorf("damaged TIFF: a JPEG of sampling factors %#02x", c.hv)
		}
	}
	return nil
}

// jpegStream makes a JPEG file of a segment: it adds the TIFF's tables for all segments, and replaces application
// markers with Adobe's, which declares the components.
func (p *tiffPicture) jpegStream(packed []byte) ([]byte, error) {
	transform := byte(0)
	if p.photometric == tiffYCbCr {
		transform = 1
	}
	tables := p.entries[tagJPEGTables].bytes
	out := make([]byte, 0, len(packed)+len(tables)+18)
	out = append(out, 0xFF, markSOI)
	out = append(out, 0xFF, markAPP0+14, 0, 14)
	out = append(out, "Adobe\x00\x64\x00\x00\x00\x00"...)
	out = append(out, transform)
	if len(tables) > 0 {
		var err error
		if out, err = appendJPEGSegments(out, tables); err != nil {
			return nil, fmt.Errorf("the TIFF's JPEG tables: %w", err)
		}
	}
	return appendJPEGSegments(out, packed)
}

// appendJPEGSegments appends a stream's segments, except SOI, application segments, and an EOI before the first scan.
// From that scan on it appends everything.
func appendJPEGSegments(out, stream []byte) ([]byte, error) {
	if len(stream) < 2 || stream[0] != 0xFF || stream[1] != markSOI {
		return nil, fmt.Errorf("%w: it begins with no SOI marker", errJPEGHeader)
	}
	for at := 2; ; {
		for at < len(stream) && stream[at] != 0xFF { // junk, which libjpeg skips
			at++
		}
		for at+1 < len(stream) && stream[at+1] == 0xFF {
			at++
		}
		if at+2 > len(stream) {
			return out, nil
		}
		mark := stream[at+1]
		switch {
		case mark == markEOI:
			return out, nil
		case mark == markSOS:
			return append(out, stream[at:]...), nil
		case mark < markSOF0 || markRST0 <= mark && mark <= markSOI:
			at += 2
			continue
		}
		if at+4 > len(stream) {
			return out, nil
		}
		n := 2 + max(2, int(binary.BigEndian.Uint16(stream[at+2:])))
		if n > len(stream)-at {
			return nil, fmt.Errorf("truncated JPEG: it ends within a segment of its header")
		}
		if mark < markAPP0 || mark > markAPP0+15 {
			out = append(out, stream[at:at+n]...)
		}
		at += n
	}
}

// jpegInks returns the four stored values of each pixel.
func (d *Decoder) jpegInks(stream []byte, h *jpegHeader, hasEOI bool) ([]byte, error) {
	if d.turbo != nil {
		inks := make([]byte, 4*h.w*h.h)
		return inks, d.turbo.decompress(stream, inks, h.w, h.h, true)
	}
	picture, err := goJPEG(stream, h, hasEOI)
	if err != nil {
		return nil, err
	}
	p, ok := picture.(*image.CMYK)
	if !ok || p.Rect.Dx() != h.w || p.Rect.Dy() != h.h {
		return nil, fmt.Errorf("%w: no inks", errJPEGHeader)
	}
	inks := make([]byte, 0, 4*h.w*h.h)
	for y := range h.h {
		for _, v := range p.Pix[y*p.Stride:][:4*h.w] {
			inks = append(inks, ^v) // image/jpeg inverts them
		}
	}
	return inks, nil
}
