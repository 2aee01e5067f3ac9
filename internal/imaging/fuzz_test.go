package imaging

import (
	"testing"
)

// FuzzDecode feeds both decoders with anything. Nothing may panic, and an
// accepted picture has as many values as its size says, within the bound.
func FuzzDecode(f *testing.F) {
	_, files := readZoo(f)
	for _, data := range files {
		f.Add(data)
	}
	_, files = readRasters(f)
	for _, data := range files {
		f.Add(data)
	}
	var decoders []*Decoder
	for _, kind := range []string{"auto", "go"} {
		d, err := NewDecoder(Options{Decoder: kind, EXIF: "apply", MaxPixels: 1 << 16})
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range decoders {
			im, err := d.Decode(data)
			if err == nil && (im.check() != nil || im.W*im.H > 1<<16) {
				t.Errorf("%s: %d×%d with %d values", d.Name(), im.W, im.H, len(im.Pix))
			}
		}
	})
}

// FuzzParsers runs fx's own readers without Decode's recover, so that a panic shows.
func FuzzParsers(f *testing.F) {
	_, files := readZoo(f)
	for _, data := range files {
		f.Add(data)
	}
	f.Add([]byte("RIFF\x02\x00\x00\x00WEBPVP8X")) // found by fuzzing
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &Decoder{maxPixels: 1 << 16}
		orientationOf(data)
		if h, err := readJPEGHeader(append([]byte{0xFF, markSOI, 0xFF}, data...)); err == nil &&
			d.checkSize(h.w, h.h) == nil {
			_, _ = h.checkComplete(append([]byte{0xFF, markSOI, 0xFF}, data...))
			h.decodesToTheEnd(append([]byte{0xFF, markSOI, 0xFF}, data...))
		}
		if len(data) >= 8 {
			pngChunk(data, "eXIf")
		}
		_, _, _ = gifColours(data)
		if isPNM(data) {
			_ = d.decodePNM(new(Image), data, new(int))
		}
		riff{rest: data}.find("EXIF")
		if isWebP(data) {
			_ = d.decodeWebP(new(Image), data, new(int))
		}
	})
}
