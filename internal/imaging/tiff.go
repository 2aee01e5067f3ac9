package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"slices"

	"golang.org/x/image/tiff"
)

// Tags of TIFF 6.0, section 8 and appendix A.
const (
	tagBitsPerSample = 258
	tagCompression   = 259
	tagPhotometric   = 262
	tagPlanar        = 284
	tagExtraSamples  = 338

	photometricWhiteIsZero = 0
	photometricBlackIsZero = 1
	photometricRGB         = 2
	photometricInks        = 5

	typeShort = 3
)

// decodeTIFF reads the first picture of a TIFF file by x/image/tiff. What that
// package refuses or changes although it can unpack it (inks, a fourth channel
// of no meaning, inverted 16-bit gray) is declared to be plain RGBA or gray
// before, and the values are converted as Pillow does.
func (d *Decoder) decodeTIFF(im *Image, data []byte, orientation *int) error {
	t, err := readTIFF(data)
	if err != nil {
		return err
	}
	channels := t.count(tagBitsPerSample)
	if channels > 1 && t.value(tagPlanar) == 2 {
		return errors.New("TIFF with its colours in separate planes is not read: save it as PNG")
	}
	photometric, depth, compression := t.value(tagPhotometric), t.first(data, tagBitsPerSample), t.value(tagCompression)
	inks := photometric == photometricInks && channels == 4
	faxed := photometric == photometricBlackIsZero && compression >= 2 && compression <= 4
	associated := photometric == photometricRGB && channels == 4 && t.value(tagExtraSamples) == 1
	switch {
	case inks:
		t.set(tagPhotometric, photometricRGB)
		t.set(tagExtraSamples, 2)
		data = t.rewrite(data)
	case photometric == photometricRGB && channels == 4 && !associated:
		t.set(tagExtraSamples, 2)
		data = t.rewrite(data)
	case photometric == photometricWhiteIsZero && depth == 16:
		t.set(tagPhotometric, photometricBlackIsZero) // Pillow does not invert 16 bits
		data = t.rewrite(data)
	}

	c, err := tiff.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return tiffError(err)
	}
	if err := d.checkSize(c.Width, c.Height); err != nil {
		return err
	}
	p, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return tiffError(err)
	}
	*orientation = orientationOf(data)
	im.reset(c.Width, c.Height)
	switch n := p.(type) {
	case *image.NRGBA:
		if inks {
			im.fill(n.Pix, n.Stride, 4, func(q, v []uint8) { plainCMYK(q, v[:4]) })
			return nil
		}
	case *image.NRGBA64:
		if inks {
			im.fill(n.Pix, n.Stride, 8, func(q, v []uint8) { plainCMYK(q, []uint8{v[0], v[2], v[4], v[6]}) })
			return nil
		}
	case *image.RGBA:
		if associated {
			im.fill(n.Pix, n.Stride, 4, func(q, v []uint8) { separate(q, v[0], v[1], v[2], v[3]) })
			return nil
		}
	case *image.RGBA64:
		if associated {
			im.fill(n.Pix, n.Stride, 8, func(q, v []uint8) { separate(q, v[0], v[2], v[4], v[6]) })
			return nil
		}
	}
	if err := im.from(p); err != nil {
		return err
	}
	if faxed {
		// The fax codes stand for runs of 0 and 1 bits, whatever colour those
		// mean; the ccitt package takes them for white and black.
		for i := range im.Pix {
			im.Pix[i] = ^im.Pix[i]
		}
	}
	return nil
}

// separate undoes the multiplication with alpha as Pillow does.
func separate(q []uint8, r, g, b, a uint8) {
	if a == 0 {
		q[0], q[1], q[2] = 0, 0, 0
		return
	}
	q[0], q[1], q[2] = r, g, b
	for i := range q {
		q[i] = uint8(min(255, 255*int(q[i])/int(a)))
	}
}

func tiffError(err error) error {
	var u tiff.UnsupportedError
	if errors.As(err, &u) {
		return fmt.Errorf("%w: save it as PNG", err)
	}
	return err
}

// tiffDirectory is the first directory of a TIFF file.
type tiffDirectory struct {
	order   binary.ByteOrder
	entries [][]byte // 12 bytes each: tag, type, count, value or offset
}

func readTIFF(data []byte) (*tiffDirectory, error) {
	t := &tiffDirectory{order: binary.LittleEndian}
	if data[0] == 'M' {
		t.order = binary.BigEndian
	}
	if len(data) < 8 {
		return nil, errors.New("truncated TIFF: it ends within its header")
	}
	at := uint64(t.order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return nil, errors.New("truncated TIFF: it ends before its directory")
	}
	rest := data[at+2:]
	for range t.order.Uint16(data[at:]) {
		if len(rest) < 12 {
			return nil, errors.New("truncated TIFF: it ends within its directory")
		}
		t.entries = append(t.entries, rest[:12])
		rest = rest[12:]
	}
	return t, nil
}

func (t *tiffDirectory) entry(tag uint16) []byte {
	for _, e := range t.entries {
		if t.order.Uint16(e) == tag {
			return e
		}
	}
	return nil
}

// value returns a tag's value where it is a single SHORT, else 0.
func (t *tiffDirectory) value(tag uint16) uint16 {
	e := t.entry(tag)
	if e == nil || t.order.Uint16(e[2:]) != typeShort || t.order.Uint32(e[4:]) != 1 {
		return 0
	}
	return t.order.Uint16(e[8:])
}

// first returns the first of a tag's SHORTs, which lie elsewhere where there
// are more than two, or 0.
func (t *tiffDirectory) first(data []byte, tag uint16) uint16 {
	e := t.entry(tag)
	if e == nil || t.order.Uint16(e[2:]) != typeShort {
		return 0
	}
	if t.order.Uint32(e[4:]) <= 2 {
		return t.order.Uint16(e[8:])
	}
	at := uint64(t.order.Uint32(e[8:]))
	if at+2 > uint64(len(data)) {
		return 0
	}
	return t.order.Uint16(data[at:])
}

// count returns how many values a tag has.
func (t *tiffDirectory) count(tag uint16) uint32 {
	e := t.entry(tag)
	if e == nil {
		return 0
	}
	return t.order.Uint32(e[4:])
}

// set gives a tag a single SHORT.
func (t *tiffDirectory) set(tag, value uint16) {
	e := make([]byte, 12)
	t.order.PutUint16(e, tag)
	t.order.PutUint16(e[2:], typeShort)
	t.order.PutUint32(e[4:], 1)
	t.order.PutUint16(e[8:], value)
	at, found := slices.BinarySearchFunc(t.entries, tag, func(e []byte, tag uint16) int {
		return int(t.order.Uint16(e)) - int(tag)
	})
	if found {
		t.entries[at] = e
		return
	}
	t.entries = slices.Insert(t.entries, at, e)
}

// rewrite returns a copy of data that begins with t instead of its own directory.
func (t *tiffDirectory) rewrite(data []byte) []byte {
	out := slices.Clone(data)
	if len(out)%2 == 1 {
		out = append(out, 0)
	}
	t.order.PutUint32(out[4:], uint32(len(out)))
	out = append(out, 0, 0)
	t.order.PutUint16(out[len(out)-2:], uint16(len(t.entries)))
	for _, e := range t.entries {
		out = append(out, e...)
	}
	return append(out, 0, 0, 0, 0)
}
