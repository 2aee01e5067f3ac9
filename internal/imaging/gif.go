package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
)

// decodeGIF reads the first frame on its screen. image/gif unpacks it; the colours are read from the file, because
// image/gif drops the transparent colour, which Pillow keeps and fills the screen with.
func (d *Decoder) decodeGIF(im *Image, data []byte, _ *int) error {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := d.checkSize(c.Width, c.Height); err != nil {
		return err
	}
	table, background, err := gifColours(data)
	if err != nil {
		return err
	}
	picture, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	p, ok := picture.(*image.Paletted)
	if !ok {
		return fmt.Errorf("GIF of kind %T", picture)
	}
	im.reset(c.Width, c.Height)
	if p.Rect != image.Rect(0, 0, c.Width, c.Height) {
		for i := 0; i < len(im.Pix); i += 3 {
			copy(im.Pix[i:i+3], table[background][:])
		}
	}
	for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
		to := im.Pix[3*(y*im.W+p.Rect.Min.X):]
		for x, v := range p.Pix[(y-p.Rect.Min.Y)*p.Stride:][:p.Rect.Dx()] {
			copy(to[3*x:3*x+3], table[v][:])
		}
	}
	return nil
}

// gifColours returns the first frame's colour table, and the index of the screen's background: the transparent one,
// else 0. See the GIF89a specification, sections 18 to 23.
func gifColours(data []byte) (table [256][3]uint8, background uint8, err error) {
	ends := errors.New("truncated GIF: it ends before its picture does")
	read := func(flags byte, rest []byte) ([]byte, bool) {
		if flags&0x80 == 0 {
			return rest, true
		}
		n := 2 << (flags & 7)
		if len(rest) < 3*n {
			return nil, false
		}
		for i := range n {
			copy(table[i][:], rest[3*i:])
		}
		return rest[3*n:], true
	}
	if len(data) < 13 {
		return table, 0, ends
	}
	rest, ok := read(data[10], data[13:])
	for ok && len(rest) >= 2 {
		switch rest[0] {
		case '!': // an extension: label, blocks with their lengths, an empty block
			if rest[1] == 0xF9 && len(rest) >= 7 && rest[3]&1 != 0 {
				background = rest[6]
			}
			for rest = rest[2:]; len(rest) > 0 && rest[0] != 0; {
				rest = rest[min(1+int(rest[0]), len(rest)):]
			}
			rest = rest[min(1, len(rest)):]
		case ',':
			if len(rest) < 10 {
				return table, 0, ends
			}
			_, ok = read(rest[9], rest[10:])
			if !ok {
				return table, 0, ends
			}
			return table, background, nil
		default:
			rest = rest[1:]
		}
	}
	return table, 0, ends
}
