package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

func isWebP(data []byte) bool {
	return len(data) >= 16 && string(data[:4]) == "RIFF" && string(data[8:15]) == "WEBPVP8"
}

var errWebPEnds = errors.New("truncated WebP: it ends before its picture does")

// decodeWebP reads a still, or the first frame of an animation on its canvas (black outside the frame). Alpha is
// stored separately from the colours and is not read. The container: RFC 9649, section 2.
func (d *Decoder) decodeWebP(im *Image, data []byte, orientation *int) error {
	// The size in the header counts from the byte after it; further data is ignored.
	size := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size < 12 || size > uint64(len(data)) {
		return errWebPEnds
	}
	chunks := riff{rest: data[12:size]}
	var canvas, frame image.Rectangle // empty: the picture's own
	var picture []byte
	var kind string
	for picture == nil {
		name, content, ok := chunks.next()
		if !ok {
			return errWebPEnds
		}
		switch name {
		case "VP8X":
			if len(content) < 10 {
				return errors.New("damaged WebP: short VP8X chunk")
			}
			canvas = image.Rect(0, 0, uint24(content[4:])+1, uint24(content[7:])+1)
			frame = canvas
			// Metadata follows the picture.
			*orientation = orientationOf(riff{rest: chunks.rest}.find("EXIF"))
		case "ANMF":
			if len(content) < 16 {
				return errors.New("damaged WebP: short ANMF chunk")
			}
			at := image.Pt(2*uint24(content), 2*uint24(content[3:]))
			frame = image.Rectangle{at, at.Add(image.Pt(uint24(content[6:])+1, uint24(content[9:])+1))}
			if !frame.In(canvas) {
				return errors.New("damaged WebP: a frame beyond its canvas")
			}
			chunks = riff{rest: content[16:]} // the frame's own chunks
		case "VP8 ", "VP8L":
			picture, kind = content, name
		}
	}
	decode := d.decodeVP8
	if kind == "VP8L" {
		decode = d.decodeVP8L
	}
	if frame == canvas {
		return decode(im, picture, frame.Size())
	}
	if err := d.checkSize(canvas.Dx(), canvas.Dy()); err != nil {
		return err
	}
	var part Image
	if err := decode(&part, picture, frame.Size()); err != nil {
		return err
	}
	im.reset(canvas.Dx(), canvas.Dy())
	clear(im.Pix)
	for y := range part.H {
		copy(im.Pix[3*((frame.Min.Y+y)*im.W+frame.Min.X):], part.Pix[3*y*part.W:][:3*part.W])
	}
	return nil
}

// declared checks a picture's size: want is the size in its container, or 0×0.
func (d *Decoder) declared(w, h int, want image.Point) error {
	if want != (image.Point{}) && want != image.Pt(w, h) {
		return fmt.Errorf("damaged WebP: a picture of %d×%d pixels where %d×%d are declared", w, h, want.X, want.Y)
	}
	return d.checkSize(w, h)
}

func (d *Decoder) decodeVP8L(im *Image, data []byte, want image.Point) error {
	c, err := vp8l.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("damaged WebP: %w", err)
	}
	if err := d.declared(c.Width, c.Height, want); err != nil {
		return err
	}
	p, err := vp8l.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("damaged WebP: %w", err)
	}
	im.reset(c.Width, c.Height)
	return im.from(p)
}

func (d *Decoder) decodeVP8(im *Image, data []byte, want image.Point) error {
	decoder := vp8.NewDecoder()
	decoder.Init(bytes.NewReader(data), len(data))
	h, err := decoder.DecodeFrameHeader()
	if err != nil {
		return fmt.Errorf("damaged WebP: %w", err)
	}
	if err := d.declared(h.Width, h.Height, want); err != nil {
		return err
	}
	p, err := decoder.DecodeFrame()
	if err != nil {
		return fmt.Errorf("damaged WebP: %w", err)
	}
	im.reset(h.Width, h.Height)
	cb, cr := make([]uint8, im.W+1), make([]uint8, im.W+1)
	planeW, planeH := (im.W+1)/2, (im.H+1)/2
	for y := range im.H {
		near, far := y/2, min(max(y/2-1+2*(y&1), 0), planeH-1)
		webpAcross(cb, p.Cb[near*p.CStride:][:planeW], p.Cb[far*p.CStride:][:planeW])
		webpAcross(cr, p.Cr[near*p.CStride:][:planeW], p.Cr[far*p.CStride:][:planeW])
		webpRow(im.Pix[3*y*im.W:][:3*im.W], p.Y[y*p.YStride:], cb, cr)
	}
	return nil
}

// webpAcross doubles a row of chroma between the nearer and the farther row of
// the plane, in weights of 9, 3, 3, 1, with the two roundings of libwebp's
// fancy upsampler (src/dsp/upsampling.c).
func webpAcross(to, near, far []uint8) {
	last := len(near) - 1
	to[0] = uint8((3*int(near[0]) + int(far[0]) + 2) >> 2)
	for i := range last {
		n0, n1, f0, f1 := int(near[i]), int(near[i+1]), int(far[i]), int(far[i+1])
		sum := n0 + n1 + f0 + f1 + 8
		to[2*i+1] = uint8(((sum+2*(n1+f0))>>3 + n0) >> 1)
		to[2*i+2] = uint8(((sum+2*(n0+f1))>>3 + n1) >> 1)
	}
	to[2*last+1] = uint8((3*int(near[last]) + int(far[last]) + 2) >> 2)
}

// webpRow converts one row by libwebp's fixed-point arithmetic (src/dsp/yuv.h),
// BT.601 with values of 16–235: 14 fractional bits, of which 8 go at once.
func webpRow(rgb, y, cb, cr []uint8) {
	n := len(rgb) / 3
	y, cb, cr = y[:n], cb[:n], cr[:n]
	for i := range y {
		l, b, r := int32(y[i])*19077>>8, int32(cb[i]), int32(cr[i])
		q := rgb[3*i:][:3]
		q[0] = limit((l + r*26149>>8 - 14234) >> 6)
		q[1] = limit((l - b*6419>>8 - r*13320>>8 + 8708) >> 6)
		q[2] = limit((l + b*33050>>8 - 17685) >> 6)
	}
}

// riff reads chunks: a name of four letters, a size, the content, padded to even.
type riff struct{ rest []byte }

// next returns the next chunk; ok is false at the end, or at a truncated chunk.
func (r *riff) next() (name string, content []byte, ok bool) {
	if len(r.rest) < 8 {
		return "", nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(r.rest[4:]))
	if n > uint64(len(r.rest)-8) {
		return "", nil, false
	}
	name, content = string(r.rest[:4]), r.rest[8:8+n]
	r.rest = r.rest[min(8+n+n&1, uint64(len(r.rest))):]
	return name, content, true
}

// find returns the content of the first chunk of the name, or nil.
func (r riff) find(name string) []byte {
	for {
		n, content, ok := r.next()
		if !ok {
			return nil
		}
		if n == name {
			return content
		}
	}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
