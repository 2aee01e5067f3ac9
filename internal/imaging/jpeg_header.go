package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// JPEG marker codes, the byte after 0xFF (ITU-T T.81, table B.1).
const (
	markTEM  = 0x01
	markSOF0 = 0xC0 // sequential Huffman
	markSOF1 = 0xC1 // extended sequential Huffman
	markSOF2 = 0xC2 // progressive Huffman
	markDHT  = 0xC4
	markJPG  = 0xC8
	markSOF9 = 0xC9 // sequential arithmetic
	markSOFA = 0xCA // progressive arithmetic
	markDAC  = 0xCC
	markRST0 = 0xD0
	markRST7 = 0xD7
	markSOI  = 0xD8
	markEOI  = 0xD9
	markSOS  = 0xDA
	markDQT  = 0xDB
	markDRI  = 0xDD
	markDHP  = 0xDE
	markAPP0 = 0xE0
	markCOM  = 0xFE
)

// jpegHeader is the header of a JPEG file, up to its first scan.
type jpegHeader struct {
	w, h       int
	sof        byte // the SOF marker that declared them
	components []jpegComponent
	restart    int    // MCUs between restart markers, or 0
	scan       []byte // content of the first SOS segment
	body       int    // offset of the first entropy-coded byte
	adobe      bool   // has Adobe's APP14 segment
	exif       []byte // from its TIFF header on
	dht        [][]byte
	tables     [16]bool // which quantisation tables exist, by number
}

type jpegComponent struct{ id, hv, quant byte }

var errJPEGHeader = errors.New("damaged JPEG header")

// readJPEGHeader reads segments up to the first scan. It refuses what Pillow's JpegImagePlugin refuses before libjpeg
// is called: a truncated segment, a byte after 0xFF that is no marker, other than 8 bits, other than 1, 3 or 4
// components, and segments too short for their declared content.
func readJPEGHeader(data []byte) (*jpegHeader, error) {
	h := new(jpegHeader)
	for at := 2; ; {
		// Skip junk to the next 0xFF, then fill bytes.
		i := bytes.IndexByte(data[at:], 0xFF)
		if i < 0 || at+i+1 >= len(data) {
			return nil, errors.New("truncated JPEG: it ends before the first scan")
		}
		at += i + 1
		mark := data[at]
		switch {
		case mark == 0xFF:
			continue // the second 0xFF may begin the marker
		case mark == 0:
			at++
			continue
		case mark < markSOF0:
			return nil, fmt.Errorf("%w: byte %#02x after 0xFF is no marker", errJPEGHeader, mark)
		}
		at++
		if mark == markJPG || markRST0 <= mark && mark <= markEOI || 0xF0 <= mark && mark < markCOM {
			continue // Pillow reads no content for these
		}
		if at+2 > len(data) {
			return nil, errors.New("truncated JPEG: it ends within a segment of its header")
		}
		n := int(binary.BigEndian.Uint16(data[at:])) - 2
		at += 2
		if n = max(n, 0); n > len(data)-at {
			return nil, errors.New("truncated JPEG: it ends within a segment of its header")
		}
		content := data[at : at+n]
		at += n
		if err := h.segment(mark, content); err != nil {
			return nil, err
		}
		if mark == markSOS {
			if h.w == 0 {
				return nil, fmt.Errorf("%w: a scan before the frame", errJPEGHeader)
			}
			h.scan, h.body = content, at
			return h, nil
		}
	}
}

// segment reads one segment of the header.
func (h *jpegHeader) segment(mark byte, content []byte) error {
	damaged := func(segment string) error {
		return fmt.Errorf("%w: %s segment of %d bytes", errJPEGHeader, segment, len(content))
	}
	switch mark {
	case markDHT:
		h.dht = append(h.dht, content)
	case markDRI:
		if len(content) >= 2 {
			h.restart = int(binary.BigEndian.Uint16(content))
		}
	case markDQT:
		for s := content; len(s) > 0; {
			n := 1 + 64
			if s[0]>>4 != 0 {
				n = 1 + 128
			}
			if len(s) < n {
				return damaged("DQT")
			}
			h.tables[s[0]&15] = true
			s = s[n:]
		}
	case markAPP0:
		if bytes.HasPrefix(content, []byte("JFIF")) && len(content) < 7 {
			return damaged("JFIF")
		}
	case markAPP0 + 1:
		if e, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok {
			h.exif = append(h.exif, e...)
		}
	case markAPP0 + 14:
		if bytes.HasPrefix(content, []byte("Adobe")) {
			if len(content) < 7 {
				return damaged("Adobe")
			}
			h.adobe = h.adobe || len(content) >= 12
		}
	case markSOF0, markSOF1, markSOF2, 0xC3, 0xC5, 0xC6, 0xC7, markSOF9, markSOFA, 0xCB, 0xCD, 0xCE, 0xCF, markDHP:
		return h.frame(mark, content)
	}
	return nil
}

// frame reads a SOF segment.
func (h *jpegHeader) frame(mark byte, content []byte) error {
	if len(content) < 6 || (len(content)-6)%3 != 0 {
		return fmt.Errorf("%w: SOF segment of %d bytes", errJPEGHeader, len(content))
	}
	if content[0] != 8 {
		return fmt.Errorf("JPEG of %d bits a value: only 8 are read", content[0])
	}
	if n := content[5]; n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("JPEG of %d components: only 1, 3 and 4 are read", n)
	}
	h.sof = mark
	h.h, h.w = int(binary.BigEndian.Uint16(content[1:])), int(binary.BigEndian.Uint16(content[3:]))
	if h.w == 0 || h.h == 0 {
		return fmt.Errorf("%w: %d×%d pixels", errJPEGHeader, h.w, h.h)
	}
	h.components = h.components[:0]
	for c := content[6:]; len(c) > 0; c = c[3:] {
		h.components = append(h.components, jpegComponent{id: c[0], hv: c[1], quant: c[2]})
	}
	if len(h.components) != int(content[5]) {
		return fmt.Errorf("%w: SOF segment of %d bytes for %d components", errJPEGHeader, len(content), content[5])
	}
	return nil
}

// arithmetic reports whether the file uses arithmetic instead of Huffman coding.
func (h *jpegHeader) arithmetic() bool { return h.sof >= markSOF9 && h.sof != markDHP }

// manyScans reports whether libjpeg reads the whole file before it returns the first row: a progressive file, or one
// with components in separate scans.
func (h *jpegHeader) manyScans() bool {
	return h.sof == markSOF2 || h.sof == markSOFA ||
		len(h.scan) > 0 && int(h.scan[0]) < len(h.components)
}
