package imaging

import (
	"bytes"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/ccitt"
)

// tiffUnpacker opens segments one after the other, and reuses decompressors.
type tiffUnpacker struct {
	deflate io.ReadCloser
	zstd    *zstd.Decoder
	lzw     *lzwReader
}

// maxZstdWindow limits what a Zstandard frame may make its decoder allocate, in bytes.
const maxZstdWindow = 32 << 20

// open returns a reader of a segment's rows, of which rows are needed.
func (u *tiffUnpacker) open(d *Decoder, p *tiffPicture, packed []byte, rows int) (io.Reader, error) {
	if p.compression == tiffJPEG { // JPEG has no fill order
		samples, err := d.tiffJPEG(p, packed, rows)
		return bytes.NewReader(samples), err
	}
	if p.fillOrder == 2 {
		packed = reverseBits(packed)
	}
	r := bytes.NewReader(packed)
	var err error
	switch p.compression {
	case tiffLZW:
		if u.lzw == nil {
			u.lzw = new(lzwReader)
		}
		u.lzw.reset(packed)
		return u.lzw, nil
	case tiffDeflate, tiffDeflateOlder:
		if u.deflate == nil {
			u.deflate, err = zlib.NewReader(r)
		} else {
			err = u.deflate.(zlib.Resetter).Reset(r, nil)
		}
		return u.deflate, p.damaged(err)
	case tiffZstandard:
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxZstdWindow))
		} else {
			err = u.zstd.Reset(r)
		}
		return u.zstd, p.damaged(err)
	case tiffPackBits:
		return &packBitsReader{packed: packed}, nil
	case tiffG3:
		return ccitt.NewReader(r, ccitt.MSB, ccitt.Group3, p.segW, rows, &ccitt.Options{Invert: true}), nil
	case tiffG4:
		return ccitt.NewReader(r, ccitt.MSB, ccitt.Group4, p.segW, rows, &ccitt.Options{Invert: true}), nil
	}
	return r, nil
}

// reverseBits returns a copy with the bits of each byte reversed.
func reverseBits(packed []byte) []byte {
	out := make([]byte, len(packed))
	for i, b := range packed {
		out[i] = bits.Reverse8(b)
	}
	return out
}

// packBitsReader unpacks runs of bytes (TIFF 6.0, section 9).
type packBitsReader struct {
	packed []byte
	n      int  // remaining bytes of the run
	run    bool // all of them are value
	value  byte
}

func (r *packBitsReader) Read(out []byte) (n int, err error) {
	for n < len(out) {
		if r.n == 0 {
			if len(r.packed) < 2 {
				return n, io.EOF
			}
			code := int(r.packed[0])
			r.packed = r.packed[1:]
			switch {
			case code < 128:
				r.n, r.run = code+1, false
			case code > 128:
				r.n, r.run, r.value = 257-code, true, r.packed[0]
				r.packed = r.packed[1:]
			}
			continue
		}
		k := min(r.n, len(out)-n)
		if r.run {
			for i := range k {
				out[n+i] = r.value
			}
		} else {
			if k = copy(out[n:n+k], r.packed); k == 0 {
				return n, io.EOF
			}
			r.packed = r.packed[k:]
		}
		n, r.n = n+k, r.n-k
	}
	return n, nil
}

// undo reverses the predictor on a row (TIFF 6.0, section 14; Adobe's technical note 3 for floats).
func (p *tiffPicture) undo(row []byte) {
	stride := p.samples
	if p.planes > 1 {
		stride = 1
	}
	switch {
	case p.predictor == 2 && p.bits == 8:
		for i := stride; i < len(row); i++ {
			row[i] += row[i-stride]
		}
	case p.predictor == 2 && p.bits == 16:
		for i := 2 * stride; i+1 < len(row); i += 2 {
			p.order.PutUint16(row[i:], p.order.Uint16(row[i:])+p.order.Uint16(row[i-2*stride:]))
		}
	case p.predictor == 2 && p.bits == 32:
		for i := 4 * stride; i+3 < len(row); i += 4 {
			p.order.PutUint32(row[i:], p.order.Uint32(row[i:])+p.order.Uint32(row[i-4*stride:]))
		}
	case p.predictor == 3:
		for i := stride; i < len(row); i++ {
			row[i] += row[i-stride]
		}
		// Bytes of equal weight are stored together, the upper ones first.
		apart, n := bytes.Clone(row), len(row)/4
		for i := range n {
			for b := range 4 {
				row[4*i+b] = apart[(3-b)*n+i]
			}
		}
	}
}
