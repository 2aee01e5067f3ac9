package imaging

import (
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

// lzwReader unpacks TIFF's LZW: codes of 9 to 12 bits, the highest bit first, one code wider one code
// early. Files of before TIFF 6.0 begin with the lowest bit, and become wider in time; their first
// code, which clears the table, tells them.
type lzwReader struct {
	source byteReader
	old    bool
	begun  bool

	hold  uint32 // bits read and not used yet
	held  int
	width int // of a code

	next   int // code that the next string gets
	last   int // code before, or -1
	prefix [1 << lzwMaxBits]uint16
	suffix [1 << lzwMaxBits]byte
	buffer [1 << lzwMaxBits]byte
	rest   []byte // of the string of the last code
}

// reset has l read another stream.
func (l *lzwReader) reset(r io.Reader) {
	l.source.Reader, l.source.rest = r, nil
	l.old, l.begun, l.hold, l.held, l.rest = false, false, 0, 0, nil
	l.clear()
}

func (l *lzwReader) clear() { l.width, l.next, l.last = 9, lzwFirst, -1 }

func (l *lzwReader) Read(out []byte) (n int, err error) {
	for n < len(out) {
		if len(l.rest) == 0 {
			if err := l.decode(); err != nil {
				return n, err
			}
		}
		k := copy(out[n:], l.rest)
		n, l.rest = n+k, l.rest[k:]
	}
	return n, nil
}

// code reads the next code.
func (l *lzwReader) code() (int, error) {
	for l.held < l.width {
		b, err := l.source.ReadByte()
		if err != nil {
			return 0, err
		}
		if l.old {
			l.hold |= uint32(b) << l.held
		} else {
			l.hold = l.hold<<8 | uint32(b)
		}
		l.held += 8
		if !l.begun && l.held == 16 {
			// 256 in nine bits is 0x80, 0x00 with the highest bit first, else 0x00, 0x01.
			l.begun = true
			if l.hold>>8 == 0 && l.hold&1 == 1 {
				l.old = true
				l.hold = l.hold>>8 | l.hold&0xFF<<8
			}
		}
	}
	mask := uint32(1)<<l.width - 1
	l.held -= l.width
	if l.old {
		code := l.hold & mask
		l.hold >>= l.width
		return int(code), nil
	}
	return int(l.hold >> l.held & mask), nil
}

// decode reads codes until one stands for bytes, which it leaves in rest.
func (l *lzwReader) decode() error {
	code, err := l.code()
	if err != nil {
		return err
	}
	for code == lzwClear {
		l.clear()
		if code, err = l.code(); err != nil {
			return err
		}
	}
	if code == lzwEnd {
		return io.EOF
	}
	if code > l.next || code >= lzwFirst && l.last < 0 || code == l.next && l.next == len(l.prefix) {
		return errLZW
	}
	// The string's bytes are found from the last to the first. The code that is next stands for the
	// last string and its first byte.
	at, c := len(l.buffer), code
	if code == l.next {
		at--
		c = l.last
	}
	for c >= lzwFirst {
		at--
		l.buffer[at] = l.suffix[c]
		c = int(l.prefix[c])
	}
	at--
	first := byte(c)
	l.buffer[at] = first
	if code == l.next {
		l.buffer[len(l.buffer)-1] = first
	}
	l.rest = l.buffer[at:]
	if l.last >= 0 && l.next < len(l.prefix) {
		l.prefix[l.next], l.suffix[l.next] = uint16(l.last), first
		l.next++
		early := 1
		if l.old {
			early = 0
		}
		if l.next+early >= 1<<l.width && l.width < lzwMaxBits {
			l.width++
		}
	}
	l.last = code
	return nil
}
