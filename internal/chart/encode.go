package chart

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"io"
)

// encodePNG writes a picture as PNG, and in it that fx did: outpath knows fx's pictures
// by that.
func encodePNG(w io.Writer, picture image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return err
	}
	const begin = 8 + 25 // signature and header, which come first
	text := []byte("tEXtSoftware\x00fx")
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(text)-4))
	chunk = binary.BigEndian.AppendUint32(append(chunk, text...), crc32.ChecksumIEEE(text))
	for _, part := range [][]byte{b.Bytes()[:begin], chunk, b.Bytes()[begin:]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}
