package imaging

import (
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
)

// Tags of TIFF 6.0, appendix A, and of its technical notes and successors.
const (
	tagImageWidth      = 256
	tagImageLength     = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagPlanarConfig    = 284
	tagT4Options       = 292
	tagPredictor       = 317
	tagColorMap        = 320
	tagTileWidth       = 322
	tagTileLength      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
	tagLumaWeights     = 529 // YCbCrCoefficients
	tagSubsampling     = 530 // YCbCrSubSampling
	tagBlackWhite      = 532 // ReferenceBlackWhite
	tagXMP             = 700
)

// tiffTypeSizes are the sizes in bytes of a value, by type; 0 if a type is unknown.
var tiffTypeSizes = [17]uint64{
	1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
}

// tiffDirectory is the first directory of a TIFF or BigTIFF file. Its values are views of the file.
type tiffDirectory struct {
	order   binary.ByteOrder
	odd     bool // its magic number has the other byte order
	entries map[uint16]tiffEntry
}

type tiffEntry struct {
	kind  uint16
	count uint64
	bytes []byte // count values of the kind
}

// isTIFF accepts what Pillow accepts: besides TIFF and little-endian BigTIFF, magic numbers in the wrong byte order.
var isTIFF = prefix("II*\x00", "MM\x00*", "MM*\x00", "II\x00*", "II+\x00")

var errTIFFDirectory = errors.New("truncated TIFF: it ends before or within its directory")

// readTIFF reads the first directory of a file that isTIFF. Of a duplicate tag the first counts. A tag of unknown
// type, or with values outside the file, is ignored; in plain data, which Pillow reads without libtiff, so are all
// tags after it.
func readTIFF(data []byte) (*tiffDirectory, error) {
	t := &tiffDirectory{order: binary.LittleEndian, entries: map[uint16]tiffEntry{}}
	if data[0] == 'M' {
		t.order = binary.BigEndian
	}
	word, number := uint64(4), func(b []byte) uint64 { return uint64(t.order.Uint32(b)) }
	big := data[2] == '+'
	if big {
		word, number = 8, t.order.Uint64
	}
	t.odd = !big && t.order.Uint16(data[2:]) != 42
	length := uint64(len(data))
	if length < 2*word {
		return nil, errTIFFDirectory
	}
	at := number(data[word:])
	if at > length || length-at < 8 {
		return nil, errTIFFDirectory
	}
	n, rest := uint64(t.order.Uint16(data[at:])), data[at+2:]
	if big {
		n, rest = t.order.Uint64(data[at:]), data[at+8:]
	}
	var late []uint16 // tags after one with values outside the file
	outside := false
	for ; n > 0; n-- {
		if uint64(len(rest)) < 4+2*word {
			return nil, errTIFFDirectory
		}
		tag, e := t.order.Uint16(rest), tiffEntry{kind: t.order.Uint16(rest[2:]), count: number(rest[4:])}
		value := rest[4+word : 4+2*word]
		rest = rest[4+2*word:]
		if _, twice := t.entries[tag]; twice || e.kind >= 17 || tiffTypeSizes[e.kind] == 0 || e.count > length {
			continue
		}
		size := e.count * tiffTypeSizes[e.kind]
		if size > word {
			from := number(value)
			if from > length || size > length-from {
				outside = true
				continue
			}
			value = data[from:]
		}
		e.bytes = value[:size]
		t.entries[tag] = e
		if outside {
			late = append(late, tag)
		}
	}
	if slices.Contains(late, tagCompression) || t.int(tagCompression, 0, tiffPlain) == tiffPlain {
		for _, tag := range late {
			delete(t.entries, tag)
		}
	}
	return t, nil
}

// has reports whether the tag has at least one value.
func (t *tiffDirectory) has(tag uint16) bool { return t.entries[tag].count > 0 }

// count returns how many values a tag has, 0 if it is missing.
func (t *tiffDirectory) count(tag uint16) int { return int(t.entries[tag].count) }

// uint returns a tag's value number i, or otherwise if it has none or it is not an integer.
func (t *tiffDirectory) uint(tag uint16, i int, otherwise uint64) uint64 {
	e := t.entries[tag]
	if uint64(i) >= e.count {
		return otherwise
	}
	size := int(tiffTypeSizes[e.kind])
	b := e.bytes[i*size:]
	switch e.kind {
	case 1, 7:
		return uint64(b[0])
	case 3:
		return uint64(t.order.Uint16(b))
	case 4, 13:
		return uint64(t.order.Uint32(b))
	case 16:
		return t.order.Uint64(b)
	case 6: // signed numbers; negative ones are out of every range
		return uint64(int8(b[0]))
	case 8:
		return uint64(int16(t.order.Uint16(b)))
	case 9:
		return uint64(int32(t.order.Uint32(b)))
	}
	return otherwise
}

// int is uint for values that must fit in 31 bits; larger ones become the largest.
func (t *tiffDirectory) int(tag uint16, i, otherwise int) int {
	return int(min(t.uint(tag, i, uint64(otherwise)), 1<<31-1))
}

// rational returns a tag's value number i, or otherwise.
func (t *tiffDirectory) rational(tag uint16, i int, otherwise float32) float32 {
	e := t.entries[tag]
	if uint64(i) >= e.count {
		return otherwise
	}
	if e.kind != 5 {
		return float32(t.uint(tag, i, uint64(otherwise)))
	}
	top, bottom := t.order.Uint32(e.bytes[8*i:]), t.order.Uint32(e.bytes[8*i+4:])
	if bottom == 0 {
		return 0
	}
	return float32(float64(top) / float64(bottom))
}

var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// orientation returns the value 1–8 of the orientation tag, else the one in XMP, or 0.
func (t *tiffDirectory) orientation() int {
	o := t.int(tagOrientation, 0, 0)
	if !t.has(tagOrientation) {
		if m := xmpOrientation.FindSubmatch(t.entries[tagXMP].bytes); m != nil {
			o = int(m[1][0] - '0')
		}
	}
	if o > 8 {
		return 0
	}
	return o
}
