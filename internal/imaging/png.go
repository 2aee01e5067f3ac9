package imaging

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
)

func (d *Decoder) decodePNG(im *Image, data []byte, orientation *int) error {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := d.checkSize(c.Width, c.Height); err != nil {
		return err
	}
	p, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	*orientation = orientationOf(pngChunk(data, "eXIf"))
	im.reset(c.Width, c.Height)
	// image/png returns 16-bit gray with a transparent value as colour.
	const ihdr = 8 + 8
	if n, ok := p.(*image.NRGBA64); ok && data[ihdr+9] == 0 {
		im.fill(n.Pix, n.Stride, 8, limitGray)
		return nil
	}
	return im.from(p)
}

// pngChunk returns the content of the first chunk of the kind, or nil.
func pngChunk(data []byte, kind string) []byte {
	for data = data[8:]; len(data) >= 12; {
		n := uint64(binary.BigEndian.Uint32(data))
		if n > uint64(len(data)-12) {
			return nil
		}
		if string(data[4:8]) == kind {
			return data[8 : 8+n]
		}
		data = data[12+n:]
	}
	return nil
}
