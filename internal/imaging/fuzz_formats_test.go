package imaging

import (
	"bytes"
	"runtime/metrics"
	"strings"
	"testing"
)

// fuzzPixels is the largest picture that the fuzz targets of a format allow.
const fuzzPixels = 1 << 16

// fuzzMemory is how much a target may allocate in all while it decodes such a picture: 32 MiB for the
// window of a Zstandard frame, twice, and as much again for the rest, beside what grows with the file.
const fuzzMemory = 128 << 20

// limitMemory fails where f allocates more than the bound.
func limitMemory(t *testing.T, data []byte, f func()) {
	t.Helper()
	before := allocated()
	f()
	if n := allocated() - before; n > fuzzMemory+64*uint64(len(data)) {
		t.Errorf("%d bytes allocated for a file of %d", n, len(data))
	}
}

// allocated returns how many bytes were allocated so far; it does not stop the program to find that out.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// fuzzFormat feeds a format's decoder without Decode's recover, so that a panic shows.
func fuzzFormat(f *testing.F, extension string, match func([]byte) bool,
	decode func(d *Decoder, im *Image, data []byte, orientation *int) error) {
	for _, read := range []func(testing.TB) (map[string]golden, map[string][]byte){readZoo, readRasters} {
		_, files := read(f)
		for name, data := range files {
			if strings.HasSuffix(name, extension) {
				f.Add(data)
			}
		}
	}
	var decoders []*Decoder
	for _, kind := range []string{"auto", "go"} {
		d, err := NewDecoder(Options{Decoder: kind, MaxPixels: fuzzPixels})
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !match(data) {
			return
		}
		for _, d := range decoders {
			im, orientation := new(Image), 0
			limitMemory(t, data, func() {
				if err := decode(d, im, data, &orientation); err != nil {
					return
				}
				if im.check() != nil || im.W*im.H > fuzzPixels || orientation < 0 || orientation > 8 {
					t.Errorf("%s: %d×%d, %d values, orientation %d", d.Name(), im.W, im.H, len(im.Pix), orientation)
				}
			})
		}
	})
}

func FuzzBMP(f *testing.F) { fuzzFormat(f, ".bmp", prefix("BM"), (*Decoder).decodeBMP) }

func FuzzTIFF(f *testing.F) { fuzzFormat(f, ".tif", isTIFF, (*Decoder).decodeTIFF) }

// FuzzJPEGGate feeds what decides about a JPEG before a decoder sees it: the header's parser, the
// count of scans, and the entropy decoder that finds out whether the data lasts.
func FuzzJPEGGate(f *testing.F) {
	_, files := readZoo(f)
	for name, data := range files {
		if strings.HasSuffix(name, ".jpg") {
			f.Add(data)
		}
	}
	d := &Decoder{maxPixels: fuzzPixels}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !prefix("\xff\xd8\xff")(data) {
			return
		}
		limitMemory(t, data, func() {
			h, err := readJPEGHeader(data)
			if err != nil || d.checkSize(h.w, h.h) != nil {
				return
			}
			if h.body > len(data) || len(h.components) == 0 {
				t.Errorf("a body at %d of %d bytes, %d components", h.body, len(data), len(h.components))
			}
			hasEOI, err := h.checkComplete(data)
			if hasEOI && !bytes.Contains(data[h.body:], []byte{0xFF, markEOI}) {
				t.Error("an end marker that is not there")
			}
			if again, errAgain := h.checkComplete(data); again != hasEOI || (err == nil) != (errAgain == nil) {
				t.Error("two verdicts on one file")
			}
			h.decodesToTheEnd(data)
			orientationOf(h.exif)
		})
	})
}
