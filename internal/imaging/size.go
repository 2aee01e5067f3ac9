package imaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/gif"
	"image/png"
)

// Memory is the memory for decoding a photo, in bytes, besides the file's. It is estimated from headers, before
// anything is decoded.
type Memory struct {
	W, H   int   // pixels that the file declares
	Pixels int64 // of the Image
	Work   int64 // of the decoder, at its peak
}

// Memory returns the memory that Decode needs for data. It is zero for a file that Decode refuses by its header. It
// does not include a decoder's garbage, which may double Go's heap.
func (d *Decoder) Memory(data []byte) (m Memory) {
	f := sniff(data)
	if f == nil {
		return Memory{}
	}
	defer func() {
		if recover() != nil { // DecodeInto recovers too, and returns an error
			m = Memory{}
		}
	}()
	w, h, work := f.size(d, data)
	if d.checkSize(w, h) != nil {
		return Memory{}
	}
	m = Memory{W: w, H: h, Pixels: 3 * int64(w) * int64(h), Work: work + rowWork*(int64(w)+int64(h))}
	if f.orients || d.apply {
		m.Work += m.Pixels // to rotate the picture, if its orientation requires that
	}
	return m
}

// Vet returns Decode's error for a file that it refuses before it decodes pixels, as far as that can be checked
// without the memory for decoding: a JPEG's header, number of scans and end. Other formats pass.
func (d *Decoder) Vet(data []byte) (err error) {
	f := sniff(data)
	if f == nil {
		return unknownFormat(data)
	}
	if f.vet == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged %s: %v", f.name, p)
		}
	}()
	return f.vet(d, data)
}

// rowWork is the memory of decoders and resizing per column and row, in bytes: a few rows of each component for
// upsampling chroma, and coefficients.
const rowWork = 256

// MaxFileSize returns the largest length of a file whose first bytes are head. Longer files are refused unread. The
// error is that of Decode for a file that is no photo.
func MaxFileSize(head []byte) (int64, error) {
	f := sniff(head)
	if f == nil {
		return maxPacked, unknownFormat(head)
	}
	if f.packed {
		return maxPacked, nil
	}
	return MaxFile, nil
}

const (
	// MaxFile is the largest length of a photo's file in bytes, in any format.
	MaxFile = 1 << 30
	// maxPacked is the largest length in a format that always compresses: one and a half bytes per pixel of the
	// largest image. JPEGs of the best quality have about one.
	maxPacked = 256 << 20
)

// sizeJPEG counts what libjpeg-turbo or image/jpeg allocates.
func (d *Decoder) sizeJPEG(data []byte) (w, h int, work int64) {
	head, err := readJPEGHeader(data)
	if err != nil {
		return 0, 0, 0
	}
	pixels := int64(head.w) * int64(head.h)
	blocks := head.blocks()
	if d.turbo != nil {
		if head.manyScans() {
			work = blocks * 64 * 2 // a coefficient is an int16
		}
		if len(head.components) == 4 {
			work += 4 * pixels // inks
		}
		return head.w, head.h, work
	}
	work = blocks * 64 // the planes
	if head.sof == markSOF2 {
		work += blocks * 64 * 4 // a coefficient is an int32
	}
	if len(head.components) > 1 {
		work += 4 * pixels // inks, or RGB if the components are not YCbCr
	}
	return head.w, head.h, work
}

// blocks returns the number of 8×8 blocks of all components, in whole MCUs.
func (h *jpegHeader) blocks() (n int64) {
	maxH, maxV := int64(1), int64(1)
	for _, c := range h.components {
		maxH, maxV = max(maxH, int64(c.hv>>4)), max(maxV, int64(c.hv&15))
	}
	mcus := ((int64(h.w) + 8*maxH - 1) / (8 * maxH)) * ((int64(h.h) + 8*maxV - 1) / (8 * maxV))
	for _, c := range h.components {
		n += mcus * int64(c.hv>>4) * int64(c.hv&15)
	}
	return n
}

// sizePNG counts the image of image/png, and that of an interlaced file's passes.
func (d *Decoder) sizePNG(data []byte) (w, h int, work int64) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, 0
	}
	const ihdr = 8 + 8
	depth, colour, interlaced := data[ihdr+8], data[ihdr+9], data[ihdr+12] != 0
	bytesPerPixel := int64(4)
	if gray := colour == 0 && pngChunk(data, "tRNS") == nil; gray || colour == 3 {
		bytesPerPixel = 1
	}
	if depth == 16 {
		bytesPerPixel *= 2
	}
	work = bytesPerPixel * int64(c.Width) * int64(c.Height)
	if interlaced {
		work *= 2
	}
	return c.Width, c.Height, work
}

// sizeGIF counts the indices of a frame, and their copy if its rows are interlaced.
func (d *Decoder) sizeGIF(data []byte) (w, h int, work int64) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, 0
	}
	return c.Width, c.Height, 2 * int64(c.Width) * int64(c.Height)
}

// sizeBMP counts nothing: rows are converted directly from the file, and runs written directly to the image.
func (d *Decoder) sizeBMP(data []byte) (w, h int, work int64) {
	header, err := readBMPHeader(data)
	if err != nil {
		return 0, 0, 0
	}
	return header.w, header.h, 0
}

// sizeTIFF counts a few rows; for JPEG a strip or tile, for separate planes their pixels.
func (d *Decoder) sizeTIFF(data []byte) (w, h int, work int64) {
	t, err := readTIFF(data)
	if err != nil {
		return 0, 0, 0
	}
	p, err := newTIFFPicture(t, data)
	if err != nil {
		return 0, 0, 0
	}
	work = 4*int64(p.rowBytes()) + 1<<20 // a decompressor's tables
	switch p.compression {
	case tiffJPEG:
		// The stream with its tables, its pixels, and the decoder's memory: at most a coefficient of 4 bytes and a
		// sample in each of four components.
		segment := int64(p.segW) * int64(p.segH)
		work += int64(len(data)) + 3*segment + 4*(4+1)*segment
	case tiffZstandard:
		work += 2 * maxZstdWindow
	}
	if p.fillOrder == 2 {
		work += int64(len(data))
	}
	if p.planes > 1 {
		work += int64(p.planes) * int64(p.w) * int64(p.h)
	}
	return p.w, p.h, work
}

// sizePNM counts the table of values: pixels are written directly to the image.
func (d *Decoder) sizePNM(data []byte) (w, h int, work int64) {
	r := pnmReader{rest: data[2:]}
	w, err := r.number()
	if err != nil {
		return 0, 0, 0
	}
	if h, err = r.number(); err != nil {
		return 0, 0, 0
	}
	return w, h, 1 << 16
}

// sizeWebP counts the planes of a lossy picture. A lossless one needs its pixels twice, because a palette is unpacked
// into new ones, and its Huffman tables; an animation's frame is separate from its canvas.
func (d *Decoder) sizeWebP(data []byte) (w, h int, work int64) {
	animated := false
	for chunks := (riff{rest: data[12:]}); ; {
		name, content, ok := chunks.next()
		if !ok {
			return 0, 0, 0
		}
		switch {
		case name == "VP8X" && len(content) >= 10:
			w, h = uint24(content[4:])+1, uint24(content[7:])+1
		case name == "ANMF" && len(content) >= 16:
			animated = true
			chunks = riff{rest: content[16:]}
		case name == "VP8 " && len(content) >= 10 && w == 0: // RFC 6386, section 9.1
			w, h = int(binary.LittleEndian.Uint16(content[6:])&0x3fff),
				int(binary.LittleEndian.Uint16(content[8:])&0x3fff)
		case name == "VP8L" && len(content) >= 5 && w == 0: // RFC 9649, section 3.4
			bits := binary.LittleEndian.Uint32(content[1:])
			w, h = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
		}
		if name != "VP8 " && name != "VP8L" {
			continue
		}
		pixels := int64(w) * int64(h)
		if animated {
			work = 3 * pixels
		}
		if name == "VP8L" {
			// x/image/vp8l accepts at most 2600 groups of tables. A group with all codes has 53 KB, and needs more
			// than a 256th of that in the file.
			return w, h, work + 8*pixels + min(2600*53<<10, 256*int64(len(content)))
		}
		const macroblock = 16
		across, down := int64(w+macroblock-1)/macroblock, int64(h+macroblock-1)/macroblock
		return w, h, work + across*down*(macroblock*macroblock*3/2+16) + int64(len(content))
	}
}
