package imaging

import (
	"errors"
	"fmt"
	"io"
)

var errTIFFTruncated = errors.New("truncated TIFF: its data ends before its last row")

// decodeTIFF reads the first picture of a TIFF file with the values of Pillow, which reads plain data itself and the
// rest with libtiff. A segment (strip or tile) is unpacked row by row, so that besides the picture only a row is in
// memory; for JPEG a segment, for separate planes the planes.
func (d *Decoder) decodeTIFF(im *Image, data []byte, orientation *int) error {
	t, err := readTIFF(data)
	if err != nil {
		return err
	}
	p, err := newTIFFPicture(t, data)
	if err != nil {
		return err
	}
	if err := d.checkSize(p.w, p.h); err != nil {
		return err
	}
	// The parts of tiles outside the picture are unpacked too.
	if err := d.checkSize(p.across*p.segW, p.down*p.segH); err != nil {
		return fmt.Errorf("TIFF with tiles of %d×%d: %w", p.segW, p.segH, err)
	}
	if err := p.checkData(); err != nil {
		return err
	}
	*orientation = t.orientation()
	im.reset(p.w, p.h)
	switch {
	case p.subsampled():
		return p.decodeSubsampled(im)
	case p.planes > 1:
		return p.decodePlanes(d, im)
	}
	return p.segments(d, 0, func(y, x, n int, row []byte) {
		p.convert(im.Pix[3*(y*p.w+x):][:3*n], row)
	})
}

// checkData refuses files that lack strips, tiles or bytes before anything is allocated for the picture.
func (p *tiffPicture) checkData() error {
	offsets, _ := p.segmentTags()
	if n := p.count(offsets); n < p.planes*p.across*p.down {
		return fmt.Errorf("damaged TIFF: it lists %d of the %d strips or tiles of its picture", n,
			p.planes*p.across*p.down)
	}
	if p.compression == tiffPlain && min(p.segH, p.h)*p.rowBytes() > len(p.data) {
		return errTIFFTruncated
	}
	return nil
}

// segmentTags returns the tags of the segments' offsets and lengths.
func (p *tiffPicture) segmentTags() (offsets, counts uint16) {
	if p.tiled {
		return tagTileOffsets, tagTileByteCounts
	}
	return tagStripOffsets, tagStripByteCounts
}

// decodePlanes collects the planes' 8 bits, or upper 8 of 16, in one array of interleaved pixels, and converts it.
func (p *tiffPicture) decodePlanes(d *Decoder, im *Image) error {
	pixels := make([]byte, p.planes*p.w*p.h)
	size, upper := 1, 0
	if p.bits == 16 {
		size, upper = 2, p.upper
	}
	for plane := range p.planes {
		err := p.segments(d, plane, func(y, x, n int, row []byte) {
			to := pixels[p.planes*(y*p.w+x)+plane:]
			for i := range n {
				to[p.planes*i] = row[size*i+upper]
			}
		})
		if err != nil {
			return err
		}
	}
	for y := range p.h {
		p.convert(im.Pix[3*y*p.w:][:3*p.w], pixels[p.planes*y*p.w:])
	}
	return nil
}

// segments unpacks the segments of a plane, and calls put with each row's n values from column x.
func (p *tiffPicture) segments(d *Decoder, plane int, put func(y, x, n int, row []byte)) error {
	row := make([]byte, p.rowBytes())
	var unpack tiffUnpacker
	for i := range p.across * p.down {
		x, y := i%p.across*p.segW, i/p.across*p.segH
		packed, err := p.segment(plane*p.across*p.down + i)
		if err != nil {
			return err
		}
		rows := min(p.segH, p.h-y)
		if p.tiled && p.compression != tiffPlain {
			rows = p.segH // libtiff requires whole tiles
		}
		r, err := unpack.open(d, p, packed, rows)
		if err != nil {
			return err
		}
		for j := range rows {
			if _, err := io.ReadFull(r, row); err != nil {
				return p.damaged(err)
			}
			if y+j >= p.h {
				continue
			}
			p.undo(row)
			put(y+j, x, min(p.segW, p.w-x), row)
		}
		if err := p.checkEnd(r); err != nil {
			return err
		}
	}
	return nil
}

// checkEnd makes Deflate compare its checksum, if a segment contains only its rows.
func (p *tiffPicture) checkEnd(r io.Reader) error {
	if p.compression != tiffDeflate && p.compression != tiffDeflateOlder {
		return nil
	}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil && err != io.EOF {
		return p.damaged(err)
	}
	return nil
}

// damaged returns the error for a segment's reader, nil if there is none.
func (p *tiffPicture) damaged(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTIFFTruncated
	}
	if p.compression == tiffG3 || p.compression == tiffG4 {
		return p.unsupported("fax codes (%s) that are damaged or not supported (%w)",
			tiffCompressions[p.compression], err)
	}
	return fmt.Errorf("damaged TIFF (%s): %w", tiffCompressions[p.compression], err)
}

// maxSharing limits the total size of all segments, as a multiple of the size of the file and its unpacked picture.
const maxSharing = 16

// segment returns the packed bytes of strip or tile i.
func (p *tiffPicture) segment(i int) ([]byte, error) {
	offsets, counts := p.segmentTags()
	if p.compression == tiffPlain && p.planes*p.across*p.down == 1 {
		i = p.count(offsets) - 1 // of several segments that each cover the picture Pillow reads the last
	}
	length := uint64(len(p.data))
	at := p.uint(offsets, i, length)
	if at >= length {
		return nil, errTIFFTruncated
	}
	// Pillow reads as much plain data as it needs, whatever the declared length.
	n := p.uint(counts, i, 0)
	if p.compression == tiffPlain {
		return p.data[at:], nil
	}
	if n == 0 {
		n = length - at
	}
	if n > length-at {
		return nil, errTIFFTruncated
	}
	// With segments that share bytes, a small file could require any amount of work.
	if p.packed += n; p.packed > maxSharing*(length+uint64(p.planes*p.across*p.down*p.segH*p.rowBytes())) {
		return nil, errors.New("damaged TIFF: its strips or tiles overlap")
	}
	return p.data[at : at+n], nil
}
