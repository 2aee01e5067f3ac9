package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

func isPNM(data []byte) bool {
	return len(data) >= 3 && data[0] == 'P' && ('1' <= data[1] && data[1] <= '7' || data[1] == 'F' ||
		data[1] == 'f') && isSpace(data[2])
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

var errPNMEnds = errors.New("truncated PNM: its data ends before its last row")

// decodePNM reads Netpbm's bitmaps, graymaps and pixmaps, plain (P1–P3) and raw
// (P4–P6); see the manual pages pbm(5), pgm(5), ppm(5). Like Pillow it scales
// colours to 0–255, and gray of more than 8 bits to 0–65535 and then cuts it at 255.
func (d *Decoder) decodePNM(im *Image, data []byte, _ *int) error {
	kind := data[1]
	if kind < '1' || kind > '6' {
		return fmt.Errorf("PNM of kind P%c is not read: only P1 to P6 are", kind)
	}
	r := pnmReader{rest: data[2:]}
	w, err := r.number()
	if err != nil {
		return err
	}
	h, err := r.number()
	if err != nil {
		return err
	}
	bitmap := kind == '1' || kind == '4'
	top := 1
	if !bitmap {
		if top, err = r.number(); err != nil {
			return err
		}
		if top < 1 || top > 65535 {
			return fmt.Errorf("damaged PNM: greatest value %d", top)
		}
	}
	if err := d.checkSize(w, h); err != nil {
		return err
	}
	channels := 1
	if kind == '3' || kind == '6' {
		channels = 3
	}
	// Each value has at least a byte, or a bit, so a short file can't require much memory.
	n := channels * w * h
	if need := n; len(r.rest) < need/8 || !bitmap && len(r.rest) < need {
		return errPNMEnds
	}
	im.reset(w, h)
	table := pnmTable(top, channels)
	put := func(i, v int) {
		if channels == 3 {
			im.Pix[i] = table[v]
			return
		}
		g := table[v]
		im.Pix[3*i], im.Pix[3*i+1], im.Pix[3*i+2] = g, g, g
	}
	switch kind {
	case '1':
		return r.plainBits(n, put)
	case '2', '3':
		return r.plain(n, top, put)
	case '4':
		return r.rawBits(w, h, put)
	}
	return r.raw(n, top, put)
}

// pnmTable maps stored values to 8 bits, rounding halves to even as Python does.
func pnmTable(top, channels int) []uint8 {
	out := 255.0
	if channels == 1 && top > 255 {
		out = 65535
	}
	table := make([]uint8, 65536)
	for v := range table {
		table[v] = uint8(min(255, math.RoundToEven(float64(float64(v)/float64(top))*out)))
	}
	return table
}

// pnmReader reads tokens and values from the rest of a file.
type pnmReader struct{ rest []byte }

// number reads one number of the header, and the white space after it.
func (r *pnmReader) number() (int, error) {
	var token []byte
	for len(token) <= 10 {
		if len(r.rest) == 0 {
			break
		}
		c := r.rest[0]
		r.rest = r.rest[1:]
		if isSpace(c) {
			if len(token) > 0 {
				break
			}
			continue
		}
		if c == '#' {
			r.skipLine()
			continue
		}
		token = append(token, c)
	}
	n, err := strconv.Atoi(string(token))
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("damaged PNM: %q in its header is not a number", token)
	}
	return n, nil
}

// skipLine skips the rest of a comment.
func (r *pnmReader) skipLine() {
	i := bytes.IndexAny(r.rest, "\r\n")
	if i < 0 {
		i = len(r.rest) - 1
	}
	r.rest = r.rest[i+1:]
}

// next returns the next byte of plain data outside comments.
func (r *pnmReader) next() (byte, bool) {
	for len(r.rest) > 0 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		if c != '#' {
			return c, true
		}
		r.skipLine()
	}
	return 0, false
}

func (r *pnmReader) plainBits(n int, put func(i, v int)) error {
	for i := 0; i < n; {
		c, ok := r.next()
		switch {
		case !ok:
			return errPNMEnds
		case isSpace(c):
		case c == '0', c == '1':
			put(i, int('1'-c)) // 1 is black
			i++
		default:
			return fmt.Errorf("damaged PNM: %q among its bits", c)
		}
	}
	return nil
}

func (r *pnmReader) plain(n, top int, put func(i, v int)) error {
	for i := range n {
		v, digits := 0, 0
		for {
			c, ok := r.next()
			if !ok || isSpace(c) {
				if digits > 0 {
					break
				}
				if !ok {
					return errPNMEnds
				}
				continue
			}
			if c < '0' || c > '9' {
				return fmt.Errorf("damaged PNM: %q among its numbers", c)
			}
			if digits++; digits > 10 {
				return errors.New("damaged PNM: a number of more than 10 digits")
			}
			v = 10*v + int(c-'0')
		}
		if v > top {
			return fmt.Errorf("damaged PNM: value %d where %d is the greatest", v, top)
		}
		put(i, v)
	}
	return nil
}

func (r *pnmReader) rawBits(w, h int, put func(i, v int)) error {
	stride := (w + 7) / 8
	if len(r.rest) < stride*h {
		return errPNMEnds
	}
	for y := range h {
		row := r.rest[y*stride:]
		for x := range w {
			put(y*w+x, int(^row[x/8]>>(7-x%8))&1) // 1 is black
		}
	}
	return nil
}

func (r *pnmReader) raw(n, top int, put func(i, v int)) error {
	if top < 256 {
		for i, v := range r.rest[:n] {
			put(i, int(v))
		}
		return nil
	}
	if len(r.rest) < 2*n {
		return errPNMEnds
	}
	for i := range n {
		put(i, int(r.rest[2*i])<<8|int(r.rest[2*i+1]))
	}
	return nil
}
