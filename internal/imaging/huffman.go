package imaging

// huffmanTable holds the codes of one DHT table (ITU-T T.81, annex C).
type huffmanTable struct {
	lookup  [256]struct{ length, value byte } // codes of up to 8 bits, by the next 8 bits; length 0: longer
	maxCode [18]int32                         // largest code of each length, or -1; the last ends any search
	offset  [17]int32                         // index of a code's value minus the code
	values  [256]byte
}

// value returns the value of a code of the length, or 0 if there is no such code.
func (t *huffmanTable) value(code int32, length int) byte {
	if length > 16 {
		return 0
	}
	return t.values[uint8(code+t.offset[length])]
}

// huffmanTables builds the DC tables [0] and AC tables [1] of DHT segments, as jdhuff.c does; ok is false if it would
// refuse them.
func huffmanTables(segments [][]byte) (tables [2][4]*huffmanTable, ok bool) {
	for _, s := range segments {
		for len(s) > 16 {
			class, slot := s[0]>>4, s[0]&15
			counts := s[1:17]
			total := 0
			for _, c := range counts {
				total += int(c)
			}
			if class > 1 || slot > 3 || total > 256 || total > len(s)-17 {
				return tables, false
			}
			t := newHuffmanTable(counts, s[17:17+total], class == 0)
			if t == nil {
				return tables, false
			}
			tables[class][slot] = t
			s = s[17+total:]
		}
		if len(s) > 0 {
			return tables, false
		}
	}
	return tables, true
}

func newHuffmanTable(counts, values []byte, dc bool) *huffmanTable {
	t := new(huffmanTable)
	copy(t.values[:], values)
	t.maxCode[0], t.maxCode[17] = -1, 1<<20
	code, index := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		if n > 0 && code+n >= 1<<length {
			return nil // no code may be all ones
		}
		t.maxCode[length] = -1
		t.offset[length] = index - code
		for range n {
			if length <= 8 {
				at := code << (8 - length)
				for i := range int32(1) << (8 - length) {
					e := &t.lookup[at+i]
					e.length, e.value = byte(length), values[index]
				}
			}
			if dc && values[index] > 15 {
				return nil
			}
			t.maxCode[length] = code
			code++
			index++
		}
		code <<= 1
	}
	return t
}
