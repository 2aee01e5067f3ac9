package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// The rule by which a JPEG file counts as truncated.
//
// Pillow feeds libjpeg through a source that suspends the decoder when it requests a byte beyond the end of the file.
// It refuses the file if that happens before the last row is decoded, and accepts everything else that libjpeg only
// warns of (corrupt data, junk between segments or after the end, a lost restart marker). TurboJPEG reads from memory:
// it inserts an end marker instead, warns, and fills the rest with gray. So the rule is applied here, before either
// decoder runs (found by experiment, see testdata/mutate.py; the result differs from Pillow's for two of 12,110
// damaged photos):
//
//   - A file of many scans (progressive, or separate components) yields no row
//     before its EOI marker: without one it is truncated.
//   - In a file of one scan the entropy decoder stops for good at the first
//     marker that is no restart marker, and yields zeros from there on. If
//     there is such a marker, no byte beyond the end is ever requested.
//   - Otherwise it depends on whether the bytes suffice for all MCUs. libjpeg
//     refills its bit buffer to 57 bits or more whenever it has fewer than
//     the next code may need, and gives up if it cannot, even if the code
//     is complete: so a file that lacks only its EOI is
//     nearly always refused, and entropy.go repeats the reads exactly.
//   - The arithmetic decoder cannot be suspended at all, so Pillow refuses a
//     file that lacks a marker at its end (and, by accident, a whole one of more
//     than the 65536 bytes that it reads at a time: fx accepts those).

var errTruncated = errors.New("truncated JPEG: its data ends before its last row")

// maxScans limits the work for a small file: each scan covers the whole picture, with possibly only a few bytes.
// libjpeg's default script for progressive files has 10 scans, optimizers such as mozjpeg write about 20.
const maxScans = 100

// checkComplete returns errTruncated if Pillow's error would be "image file is truncated". hasEOI is whether the end
// marker exists, which Go's decoder requires.
func (h *jpegHeader) checkComplete(data []byte) (hasEOI bool, err error) {
	stop, end, err := h.walkScans(data)
	if err != nil {
		return false, err
	}
	switch {
	case h.manyScans():
		if !end {
			return false, errTruncated
		}
	case h.arithmetic():
		if !stop {
			return false, errTruncated
		}
	case !stop && !h.decodesToTheEnd(data):
		return false, errTruncated
	}
	return end, nil
}

// walkScans visits the markers after the first SOS segment. It reports whether a marker stops the first scan, and
// whether EOI exists.
func (h *jpegHeader) walkScans(data []byte) (stop, end bool, err error) {
	scans := 1
	for mark, at := range h.markers(data) {
		stop = true
		if mark == markEOI {
			return true, true, nil
		}
		if !h.manyScans() {
			// Later data can't change the rows of a single scan.
			return true, bytes.Contains(data[at:], []byte{0xFF, markEOI}), nil
		}
		if mark == markSOS {
			if scans++; scans > maxScans {
				return false, false, errManyScans
			}
		}
	}
	return stop, false, nil
}

var errManyScans = fmt.Errorf("JPEG of more than %d scans: save it again", maxScans)

// checkScans limits the scans for image/jpeg, which decodes each scan up to EOI, whatever the frame.
func (h *jpegHeader) checkScans(data []byte) error {
	scans := 1
	for mark := range h.markers(data) {
		if mark == markEOI {
			return nil
		}
		if mark == markSOS {
			if scans++; scans > maxScans {
				return errManyScans
			}
		}
	}
	return nil
}

// markers yields the markers after the first SOS segment, except restarts, and the offset after each. It ends at a
// truncated segment.
func (h *jpegHeader) markers(data []byte) iter.Seq2[byte, int] {
	return func(yield func(mark byte, at int) bool) {
		for at := h.body; ; {
			i := bytes.IndexByte(data[at:], 0xFF)
			if i < 0 {
				return
			}
			at += i + 1
			for at < len(data) && data[at] == 0xFF {
				at++
			}
			if at >= len(data) {
				return
			}
			mark := data[at]
			at++
			if mark < markSOF0 || markRST0 <= mark && mark <= markRST7 {
				continue
			}
			if !yield(mark, at) {
				return
			}
			if mark == markSOI || mark == markEOI {
				continue
			}
			if at+2 > len(data) {
				return
			}
			if at += max(2, int(binary.BigEndian.Uint16(data[at:]))); at > len(data) {
				return
			}
		}
	}
}
