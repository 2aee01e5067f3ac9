package imaging

import "errors"

var errBMPRuns = errors.New("truncated BMP: its run-length codes end before its last pixel")

// decodeRuns unpacks run-length coded pixels in the steps of Pillow's BmpRleDecoder. It refuses a file whose codes end
// before its last pixel, even if they end with the end-of-bitmap mark.
func (h *bmpHeader) decodeRuns(im *Image, data []byte) error {
	if h.gray && h.colours <= 2 {
		for i := range h.palette[1:] { // Pillow treats all values but 0 as white
			h.palette[1+i] = [3]uint8{255, 255, 255}
		}
	}
	im.reset(h.w, h.h)
	out := &bmpRuns{h: h, im: im, total: h.w * h.h}
	if err := out.decode(data, h.pixels); err != nil {
		return err
	}
	if out.at < out.total {
		return errBMPRuns
	}
	return nil
}

// bmpRuns writes unpacked pixels in the file's order of rows.
type bmpRuns struct {
	h         *bmpHeader
	im        *Image
	at, total int // pixels written, and pixels in total
}

// put writes n pixels of the colour, or as many as are left.
func (r *bmpRuns) put(index byte, n int) {
	colour := &r.h.palette[index]
	for n = min(n, r.total-r.at); n > 0; {
		x := r.at % r.h.w
		k := min(n, r.h.w-x)
		row := r.im.Pix[3*(r.h.row(r.at/r.h.w)*r.h.w+x):][:3*k]
		for ; len(row) >= 3; row = row[3:] {
			copy(row[:3], colour[:])
		}
		r.at, n = r.at+k, n-k
	}
}

// decode reads the codes that begin at the offset at of the file data.
func (r *bmpRuns) decode(data []byte, at int) error {
	nibbles := r.h.compression == bmpRLE4
	x, w := 0, r.h.w // x is the column as in Pillow: literal runs may end beyond the row
	for r.at < r.total {
		if at < 0 || len(data)-at < 2 {
			return errBMPRuns
		}
		n, value := int(data[at]), data[at+1]
		at += 2
		switch {
		case n > 0: // a run, cut at the row's end
			n = max(0, min(n, w-x))
			if nibbles {
				for i := range n {
					r.put(value>>(4-i%2*4)&15, 1)
				}
			} else {
				r.put(value, n)
			}
			x += n
		case value == 0: // end of line
			if r.at%w != 0 {
				r.put(0, w-r.at%w)
			}
			x = 0
		case value == 1: // end of bitmap
			return nil
		case value == 2: // to the right and up
			if len(data)-at < 2 {
				return errBMPRuns
			}
			r.put(0, int(data[at])+int(data[at+1])*w)
			at += 2
			x = r.at % w
		default: // literal values
			count := min(r.total-r.at, int(value))
			size := count
			if nibbles {
				size = (count + 1) / 2
			}
			if len(data)-at < size {
				return errBMPRuns
			}
			for i := range count {
				if nibbles {
					r.put(data[at+i/2]>>(4-i%2*4)&15, 1)
				} else {
					r.put(data[at+i], 1)
				}
			}
			at += size
			x += int(value)
			at += at & 1 // codes begin at even offsets of the file
		}
	}
	return nil
}
