package imaging

import (
	"encoding/binary"
	"errors"
	"io"
)

// Codes of TIFF's LZW (TIFF 6.0, section 13).
const (
	lzwClear   = 256
	lzwEnd     = 257
	lzwFirst   = 258
	lzwMaxBits = 12
)

var errLZW = errors.New("a code that stands for nothing")

// lzwReader unpacks TIFF's LZW: codes of 9 to 12 bits, the highest bit first, whose width grows one code early. Files
// older than TIFF 6.0 have the lowest bit first, and the width does not grow early; their first code, which clears the
// table, identifies them.
type lzwReader struct {
	packed []byte
	old    bool

	hold  uint64 // bits read but not used yet
	held  int
	width int // of a code

	next   int                     // code that the next string gets
	last   int                     // code before, or -1
	prefix [1 << lzwMaxBits]uint16 // of a code's string: the code of all but its last byte
	suffix [1 << lzwMaxBits]byte   // its last byte
	first  [1 << lzwMaxBits]byte   // its first byte
	length [1 << lzwMaxBits]uint16 // its length
	rest   []byte                  // bytes that did not fit into the last Read
	buffer [1<<lzwMaxBits + 1]byte // backs rest
}

// reset makes l read another stream.
func (l *lzwReader) reset(packed []byte) {
	if l.length[0] == 0 {
		for i := range lzwClear {
			l.suffix[i], l.first[i], l.length[i] = byte(i), byte(i), 1
		}
	}
	l.packed, l.hold, l.held, l.rest = packed, 0, 0, nil
	// A 256 of nine bits is 0x80, 0x00 with the highest bit first, else 0x00, 0x01.
	l.old = len(packed) >= 2 && packed[0] == 0 && packed[1]&1 == 1
	l.clear()
}

func (l *lzwReader) clear() { l.width, l.next, l.last = 9, lzwFirst, -1 }

func (l *lzwReader) Read(out []byte) (n int, err error) {
	n = copy(out, l.rest)
	l.rest = l.rest[n:]
	for n < len(out) {
		code, err := l.code()
		switch {
		case err != nil:
			return n, err
		case code == lzwClear:
			l.clear()
			continue
		case code == lzwEnd:
			return n, io.EOF
		case code > l.next || code >= lzwFirst && (l.last < 0 || code == l.next && l.next == len(l.prefix)):
			return n, errLZW
		}
		// The next code stands for the last string and its first byte.
		first := l.first[code]
		if code == l.next {
			first = l.first[l.last]
		}
		if l.last >= 0 && l.next < len(l.prefix) {
			l.prefix[l.next], l.suffix[l.next], l.first[l.next] = uint16(l.last), first, l.first[l.last]
			l.length[l.next] = l.length[l.last] + 1
			l.widen()
		}
		l.last = code
		if k := int(l.length[code]); k <= len(out)-n {
			l.write(out[n:n+k], code)
			n += k
			continue
		}
		l.rest = l.buffer[:l.length[code]]
		l.write(l.rest, code)
		k := copy(out[n:], l.rest)
		n, l.rest = n+k, l.rest[k:]
	}
	return n, nil
}

// code reads the next code.
func (l *lzwReader) code() (int, error) {
	for l.held < l.width {
		if len(l.packed) >= 4 && !l.old {
			l.hold = l.hold<<32 | uint64(binary.BigEndian.Uint32(l.packed))
			l.packed, l.held = l.packed[4:], l.held+32
			break
		}
		if len(l.packed) == 0 {
			return 0, io.EOF
		}
		b := uint64(l.packed[0])
		l.packed = l.packed[1:]
		if l.old {
			l.hold |= b << l.held
		} else {
			l.hold = l.hold<<8 | b
		}
		l.held += 8
	}
	mask := uint64(1)<<l.width - 1
	l.held -= l.width
	if l.old {
		code := l.hold & mask
		l.hold >>= l.width
		return int(code), nil
	}
	return int(l.hold >> l.held & mask), nil
}

// widen counts a new code, and widens codes when necessary.
func (l *lzwReader) widen() {
	l.next++
	early := 1
	if l.old {
		early = 0
	}
	if l.next+early >= 1<<l.width && l.width < lzwMaxBits {
		l.width++
	}
}

// write writes a code's string from its last byte to its first.
func (l *lzwReader) write(out []byte, code int) {
	c := uint16(code)
	for i := len(out) - 1; i >= 0; i-- {
		c &= 1<<lzwMaxBits - 1 // avoids a bounds check
		out[i] = l.suffix[c]
		c = l.prefix[c]
	}
}
