package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Values of biCompression.
const (
	bmpRaw       = 0
	bmpRLE8      = 1
	bmpRLE4      = 2
	bmpBitfields = 3
)

const bmpFileHeader = 14

// bmpHeader is the header of a BMP file.
type bmpHeader struct {
	w, h        int
	topDown     bool
	bits        int // of a pixel: 1, 2, 4, 8, 16, 24 or 32
	compression uint32
	masks       [4]uint32 // red, green, blue, alpha, if compression is bmpBitfields
	order       [3]int    // of 32 bits: which byte of a pixel is red, green, blue
	pixels      int       // offset of the pixels, which may be after the end

	// Of up to 8 bits a pixel:
	colours int
	palette [256][3]uint8 // missing colours are black
	gray    bool          // the palette maps each index to that gray, or 0 and 1 to black and white
}

var (
	mask555 = [4]uint32{0x7C00, 0x3E0, 0x1F}
	mask565 = [4]uint32{0xF800, 0x7E0, 0x1F}
	mask888 = [4]uint32{0xFF0000, 0xFF00, 0xFF}
)

// bmpOrders lists the masks of 32 bits that Pillow supports, and the positions of red, green and blue.
var bmpOrders = map[[4]uint32][3]int{
	{0xFF0000, 0xFF00, 0xFF, 0}:          {2, 1, 0},
	{0xFF0000, 0xFF00, 0xFF, 0xFF000000}: {2, 1, 0},
	{0xFF000000, 0xFF0000, 0xFF00, 0}:    {3, 2, 1},
	{0xFF000000, 0xFF0000, 0xFF00, 0xFF}: {3, 2, 1},
	{0xFF000000, 0xFF00, 0xFF, 0}:        {3, 1, 0},
	{0xFF000000, 0xFF00, 0xFF, 0xFF0000}: {3, 1, 0},
	{0xFF, 0xFF00, 0xFF0000, 0xFF000000}: {0, 1, 2},
	{}:                                   {2, 1, 0},
}

var errBMPHeader = errors.New("truncated BMP: it ends within its header")

// readBMPHeader reads the headers and the palette.
func readBMPHeader(data []byte) (*bmpHeader, error) {
	if len(data) < bmpFileHeader+4 {
		return nil, errBMPHeader
	}
	size := int64(binary.LittleEndian.Uint32(data[bmpFileHeader:]))
	if !slices.Contains([]int64{12, 40, 52, 56, 64, 108, 124}, size) {
		return nil, fmt.Errorf("BMP with a header of %d bytes is not read (12, 40, 52, 56, 64, 108 and 124 are): "+
			"save it as PNG", size)
	}
	if int64(len(data)) < bmpFileHeader+size {
		return nil, errBMPHeader
	}
	info := data[bmpFileHeader : bmpFileHeader+size]
	rest := data[bmpFileHeader+size:]
	h := &bmpHeader{order: [3]int{2, 1, 0}}
	if size == 12 {
		h.core(info)
	} else if err := h.info(info, &rest); err != nil {
		return nil, err
	}
	if err := h.checkLayout(); err != nil {
		return nil, err
	}
	at := int64(binary.LittleEndian.Uint32(data[10:]))
	if h.bits <= 8 {
		entry := 4
		if size == 12 {
			entry = 3
		}
		// If the offset of the pixels is that of the palette, they begin after the palette.
		if at == bmpFileHeader+size {
			at += int64(entry * h.colours)
		}
		n := min(entry*h.colours, len(rest))
		if err := h.readPalette(rest[:n], entry); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if at == 0 {
		at = int64(len(data) - len(rest))
	}
	h.pixels = int(at)
	return h, nil
}

// core reads OS/2's first header, BITMAPCOREHEADER.
func (h *bmpHeader) core(info []byte) {
	le := binary.LittleEndian
	h.w, h.h, h.bits = int(le.Uint16(info[4:])), int(le.Uint16(info[6:])), int(le.Uint16(info[10:]))
	h.colours = 1 << min(h.bits, 16)
}

// info reads BITMAPINFOHEADER and the additions of later versions. Version 1 has masks after the header, at rest.
func (h *bmpHeader) info(info []byte, rest *[]byte) error {
	le := binary.LittleEndian
	height := le.Uint32(info[8:])
	h.w, h.h, h.topDown = int(le.Uint32(info[4:])), int(height), info[11] == 0xFF
	if h.topDown {
		h.h = 1<<32 - int(height)
	}
	h.bits, h.compression = int(le.Uint16(info[14:])), le.Uint32(info[16:])
	h.colours = int(le.Uint32(info[32:]))
	if h.colours == 0 {
		h.colours = 1 << min(h.bits, 17)
	}
	if h.compression != bmpBitfields {
		return nil
	}
	masks, n := info[40:], 4
	if len(info) < 52 {
		if len(*rest) < 12 {
			return errBMPHeader
		}
		masks, *rest = *rest, (*rest)[12:]
	}
	if len(info) < 56 {
		n = 3
	}
	for i := range n {
		h.masks[i] = le.Uint32(masks[4*i:])
	}
	return nil
}

// checkLayout returns an error, with its reason, for what Pillow refuses.
func (h *bmpHeader) checkLayout() error {
	switch h.compression {
	case bmpRaw, bmpRLE4, bmpRLE8, bmpBitfields:
	case 4, 5:
		return errors.New("BMP that wraps a JPEG or PNG is not read: save it as PNG")
	default:
		return fmt.Errorf("BMP of compression %d is not read (none, run lengths and masks are): save it as PNG",
			h.compression)
	}
	if !slices.Contains([]int{1, 2, 4, 8, 16, 24, 32}, h.bits) {
		return fmt.Errorf("BMP of %d bits a pixel is not read (1, 2, 4, 8, 16, 24 and 32 are): save it as PNG", h.bits)
	}
	if h.bits <= 8 && (h.colours < 1 || h.colours > 1<<16) {
		return fmt.Errorf("damaged BMP: a palette of %d colours", h.colours)
	}
	if h.compression != bmpBitfields {
		return nil
	}
	rgb := [4]uint32{h.masks[0], h.masks[1], h.masks[2]}
	known := false
	switch h.bits {
	case 16:
		known = rgb == mask555 || rgb == mask565
		h.masks = rgb
	case 24:
		known = rgb == mask888
	case 32:
		h.order, known = bmpOrders[h.masks]
	}
	if !known {
		return fmt.Errorf("BMP of %d bits with the masks %#x is not read: save it as PNG", h.bits, h.masks)
	}
	return nil
}

// readPalette reads colours of blue, green, red and, if an entry has four bytes, an unused one. As in Pillow, a gray
// palette may have any length, and its last entry three bytes; of other palettes only complete entries count, at most
// 256.
func (h *bmpHeader) readPalette(stored []byte, entry int) error {
	if h.gray = h.isGray(stored, entry); h.gray && h.colours > 2 {
		// A gray picture has no palette: each value is its gray.
		for i := range h.palette {
			h.palette[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
		}
		return nil
	}
	entries := len(stored) / entry
	if entries > len(h.palette) {
		return fmt.Errorf("damaged BMP: a palette of %d colours", h.colours)
	}
	for i := range entries {
		c := stored[i*entry:]
		h.palette[i] = [3]uint8{c[2], c[1], c[0]}
	}
	return nil
}

// isGray reports whether every colour of the palette is the gray of its index's lowest byte, or, if there are two
// colours, whether they are black and white.
func (h *bmpHeader) isGray(stored []byte, entry int) bool {
	for i := range h.colours {
		gray := uint8(i)
		if h.colours == 2 && i == 1 {
			gray = 255
		}
		at := i * entry
		if len(stored) < at+3 || !bytes.Equal(stored[at:at+3], []byte{gray, gray, gray}) {
			return false
		}
	}
	return true
}
