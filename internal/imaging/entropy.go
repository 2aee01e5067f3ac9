package imaging

// A reader of sequential Huffman data that keeps only its position. It finds out whether libjpeg-turbo's decoder would
// reach the end of a scan in a truncated file (jpeg_truncation.go has the rule), so it requests bytes exactly when
// jdhuff.c and jdmarker.c of libjpeg-turbo do. It runs on truncated files only.

// pillowBlock is how many bytes of a file Pillow passes to libjpeg at a time.
const pillowBlock = 65536

// entropyReader is a position in a scan. Copying it saves the position.
type entropyReader struct {
	data   []byte
	limit  int // bytes passed so far: beyond it the source suspends
	at     int // next byte
	buffer uint64
	bits   int  // how many low bits of buffer are unread
	marker byte // read but not yet handled, or 0
	starve bool // the bits ran out at marker: zeros until the next restart

	interval, toGo int // MCUs between restart markers, and until the next
	nextRestart    byte
}

// block is one 8×8 block of an MCU: its tables.
type block struct{ dc, ac *huffmanTable }

// decodesToTheEnd reports whether all MCUs of the single scan are decoded before a byte beyond the end of data is
// requested.
func (h *jpegHeader) decodesToTheEnd(data []byte) bool {
	blocks, mcus := h.layout()
	if mcus == 0 {
		return false
	}
	r := entropyReader{data: data, at: h.body, interval: h.restart, toGo: h.restart}
	r.limit = min(len(data), (h.body/pillowBlock+1)*pillowBlock)
	for n := 0; n < mcus; {
		saved := r
		if r.mcu(blocks) {
			n++
			continue
		}
		if r.limit == len(data) {
			return false
		}
		saved.limit = min(len(data), r.limit+pillowBlock)
		r = saved
	}
	return true
}

// layout returns the blocks of an MCU and the number of MCUs, which is 0 if the header is invalid.
func (h *jpegHeader) layout() ([]block, int) {
	tables, ok := huffmanTables(h.dht)
	n := len(h.components)
	if !ok || len(h.scan) < 1+2*n || int(h.scan[0]) != n {
		return nil, 0
	}
	var blocks []block
	maxH, maxV := 1, 1
	for i := range n {
		id, selector := h.scan[1+2*i], h.scan[2+2*i]
		var c *jpegComponent
		for j := range h.components {
			if h.components[j].id == id {
				c = &h.components[j]
				break
			}
		}
		if c == nil || selector>>4 > 3 || selector&15 > 3 {
			return nil, 0
		}
		b := block{dc: tables[0][selector>>4], ac: tables[1][selector&15]}
		sh, sv := int(c.hv>>4), int(c.hv&15)
		if b.dc == nil || b.ac == nil || sh < 1 || sh > 4 || sv < 1 || sv > 4 {
			return nil, 0
		}
		if n == 1 {
			sh, sv = 1, 1 // a scan of one component is not interleaved
		}
		maxH, maxV = max(maxH, sh), max(maxV, sv)
		for range sh * sv {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) > 10 {
		return nil, 0
	}
	across := (h.w + 8*maxH - 1) / (8 * maxH)
	down := (h.h + 8*maxV - 1) / (8 * maxV)
	return blocks, across * down
}

// mcu reads one MCU. It returns false if the source has to suspend; the caller must then restore the position.
func (r *entropyReader) mcu(blocks []block) bool {
	if r.interval > 0 && r.toGo == 0 && !r.restart() {
		return false
	}
	if !r.starve {
		// The fast path of jdhuff.c refills differently, which changes when the last bytes are requested.
		fast := r.interval == 0 && r.marker == 0 && r.limit-r.at >= 512*len(blocks)
		if !(fast && r.fastMCU(blocks)) {
			for i := range blocks {
				if !r.block(&blocks[i]) {
					return false
				}
			}
		}
	}
	if r.interval > 0 {
		r.toGo--
	}
	return true
}

func (r *entropyReader) block(b *block) bool {
	size, ok := r.symbol(b.dc)
	if !ok || !r.skip(int(size)) {
		return false
	}
	for k := 1; k < 64; k++ {
		s, ok := r.symbol(b.ac)
		if !ok {
			return false
		}
		run, size := int(s>>4), int(s&15)
		if size == 0 && run != 15 {
			break
		}
		k += run
		if !r.skip(size) {
			return false
		}
	}
	return true
}

// symbol reads one Huffman code. An unknown code counts as 0.
func (r *entropyReader) symbol(t *huffmanTable) (byte, bool) {
	length := 1
	if r.bits < 8 && !r.fill(0) {
		return 0, false
	}
	if r.bits >= 8 {
		if e := t.lookup[r.peek(8)]; e.length != 0 {
			r.bits -= int(e.length)
			return e.value, true
		}
		length = 9
	}
	if r.bits < length && !r.fill(length) {
		return 0, false
	}
	r.bits -= length
	code := int32(r.buffer>>r.bits) & (1<<length - 1)
	for code > t.maxCode[length] {
		if r.bits < 1 && !r.fill(1) {
			return 0, false
		}
		r.bits--
		code = code<<1 | int32(r.buffer>>r.bits&1)
		length++
	}
	return t.value(code, length), true
}

func (r *entropyReader) peek(n int) uint64 { return r.buffer >> (r.bits - n) & (1<<n - 1) }

// skip reads n bits of a coefficient.
func (r *entropyReader) skip(n int) bool {
	if r.bits < n && !r.fill(n) {
		return false
	}
	r.bits -= n
	return true
}

// fill is jpeg_fill_bit_buffer: it reads until the buffer has 57 bits, or up to a marker, after which it adds zeros if
// n bits are needed.
func (r *entropyReader) fill(n int) bool {
	const enough = 64 - 7
	for r.marker == 0 && r.bits < enough {
		if r.at == r.limit {
			return false
		}
		c := r.data[r.at]
		r.at++
		if c == 0xFF {
			for c == 0xFF {
				if r.at == r.limit {
					return false
				}
				c = r.data[r.at]
				r.at++
			}
			if c != 0 {
				r.marker = c
				break
			}
			c = 0xFF
		}
		r.buffer = r.buffer<<8 | uint64(c)
		r.bits += 8
	}
	if r.marker != 0 && n > r.bits {
		r.starve = true
		r.buffer <<= enough - r.bits
		r.bits = enough
	}
	return true
}

// fastMCU is decode_mcu_fast: six bytes at a time while 16 bits or fewer are left. At a marker it returns false and
// has read nothing.
func (r *entropyReader) fastMCU(blocks []block) bool {
	saved := *r
	for i := range blocks {
		r.fastFill()
		r.fastSkip(int(r.fastSymbol(blocks[i].dc)))
		for k := 1; k < 64; k++ {
			r.fastFill()
			s := r.fastSymbol(blocks[i].ac)
			run, size := int(s>>4), int(s&15)
			if size == 0 && run != 15 {
				break
			}
			k += run
			r.fastSkip(size)
		}
	}
	if r.marker != 0 {
		*r = saved
		return false
	}
	return true
}

func (r *entropyReader) fastFill() {
	if r.bits > 16 {
		return
	}
	for range 6 {
		if r.at+1 >= r.limit {
			r.marker = markEOI // does not happen: an MCU has at most 512 bytes a block
			return
		}
		c := r.data[r.at]
		r.at++
		if c == 0xFF {
			if m := r.data[r.at]; m != 0 {
				r.marker = m
				r.at--
				c = 0
			} else {
				r.at++
			}
		}
		r.buffer = r.buffer<<8 | uint64(c)
		r.bits += 8
	}
}

func (r *entropyReader) fastSkip(n int) {
	if n > 0 {
		r.fastFill()
		r.bits -= n
	}
}

func (r *entropyReader) fastSymbol(t *huffmanTable) byte {
	if e := t.lookup[r.peek(8)]; e.length != 0 {
		r.bits -= int(e.length)
		return e.value
	}
	length := 9
	r.bits -= length
	code := int32(r.buffer>>r.bits) & (1<<length - 1)
	for code > t.maxCode[length] && r.bits > 0 {
		r.bits--
		code = code<<1 | int32(r.buffer>>r.bits&1)
		length++
	}
	return t.value(code, length)
}

// restart handles the restart marker that is due, or what is in its place: process_restart and jpeg_resync_to_restart.
func (r *entropyReader) restart() bool {
	r.bits = 0
	if r.marker == 0 && !r.toMarker() {
		return false
	}
	for want := markRST0 + r.nextRestart; r.marker != 0; {
		switch m := r.marker; {
		case m == want:
			r.marker = 0
		case m < markSOF0, m == markRST0+(r.nextRestart-1)&7, m == markRST0+(r.nextRestart-2)&7:
			// No marker, or one of the two before: search further.
			if !r.toMarker() {
				return false
			}
			continue
		case m < markRST0, m > markRST7, m == markRST0+(r.nextRestart+1)&7, m == markRST0+(r.nextRestart+2)&7:
			// The end, or one of the two after: this interval stays empty.
		default:
			r.marker = 0 // too far off: treat it as the expected one
		}
		break
	}
	r.nextRestart = (r.nextRestart + 1) & 7
	r.toGo = r.interval
	if r.marker == 0 {
		r.starve = false
	}
	return true
}

// toMarker is next_marker: it skips to the next marker and stores it.
func (r *entropyReader) toMarker() bool {
	for {
		for r.at < r.limit && r.data[r.at] != 0xFF {
			r.at++
		}
		for r.at < r.limit && r.data[r.at] == 0xFF {
			r.at++
		}
		if r.at == r.limit {
			return false
		}
		r.marker = r.data[r.at]
		r.at++
		if r.marker != 0 {
			return true
		}
	}
}
