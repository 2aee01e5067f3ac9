package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"fx/internal/machine"
)

// progressiveJPEG draws a gray w×h picture in three components, in one scan of DC values and as
// many more of AC values as make up scans. It is a few bits for each block.
func progressiveJPEG(w, h, scans int, subsampled bool) []byte {
	sampling := byte(0x11)
	if subsampled {
		sampling = 0x22
	}
	var b bytes.Buffer
	segment := func(mark byte, content ...byte) {
		b.Write([]byte{0xFF, mark})
		_ = binary.Write(&b, binary.BigEndian, uint16(len(content)+2)) // never fails
		b.Write(content)
	}
	b.Write([]byte{0xFF, markSOI})
	segment(markDQT, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	segment(markSOF2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3, 1, sampling, 0, 2, 0x11, 0, 3, 0x11, 0)
	// DC: the code 0 means no difference. AC: the code 0 means that 2^14 blocks and the 14 bits
	// that follow have no more values.
	oneCode := append([]byte{1}, make([]byte, 15)...)
	segment(markDHT, append(append([]byte{0x00}, oneCode...), 0)...)
	segment(markDHT, append(append([]byte{0x10}, oneCode...), 0xE0)...)
	unit := 8
	perMCU := 3
	if subsampled {
		unit, perMCU = 16, 6
	}
	segment(markSOS, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0)
	bits := perMCU * ((w + unit - 1) / unit) * ((h + unit - 1) / unit)
	b.Write(make([]byte, bits/8))
	if bits%8 > 0 {
		b.WriteByte(0xFF >> (bits % 8)) // the rest of a byte is ones
	}
	blocks := ((w + 7) / 8) * ((h + 7) / 8)
	for range scans - 1 {
		segment(markSOS, 1, 1, 0, 1, 63, 0)
		runs := 15 * ((blocks + 1<<14 - 1) >> 14) // bits, all of them zeros
		b.Write(make([]byte, runs/8))
		if runs%8 > 0 {
			b.WriteByte(0xFF >> (runs % 8))
		}
	}
	b.Write([]byte{0xFF, markEOI})
	return b.Bytes()
}

// sixteenBits is a picture of so many bits a channel that no decoder may shorten it.
func sixteenBits(w, h int, gray bool) image.Image {
	if gray {
		return image.NewGray16(image.Rect(0, 0, w, h))
	}
	return image.NewNRGBA64(image.Rect(0, 0, w, h)) // transparent: nothing may be left out
}

func TestMemoryIsWhatDecodingTakes(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes large pictures")
	}
	const side = 1500
	whole := image.Rect(0, 0, side, side)
	encoded := func(encode func(b *bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	asPNG := func(p image.Image) []byte {
		return encoded(func(b *bytes.Buffer) error { return png.Encode(b, p) })
	}
	colours := color.Palette{color.Black, color.White}
	files := map[string][]byte{
		"progressive.jpg":     progressiveJPEG(side, side, 10, false),
		"progressive-420.jpg": progressiveJPEG(side, side, 10, true),
		"baseline.jpg": encoded(func(b *bytes.Buffer) error {
			return jpeg.Encode(b, image.NewYCbCr(whole, image.YCbCrSubsampleRatio420), nil)
		}),
		"gray.jpg":    encoded(func(b *bytes.Buffer) error { return jpeg.Encode(b, image.NewGray(whole), nil) }),
		"gray.png":    asPNG(image.NewGray(whole)),
		"palette.png": asPNG(image.NewPaletted(whole, colours)),
		"rgb.png":     asPNG(opaque{image.NewRGBA(whole)}),
		"rgba-16.png": asPNG(sixteenBits(side, side, false)),
		"gray-16.png": asPNG(sixteenBits(side, side, true)),
		"one-frame.gif": encoded(func(b *bytes.Buffer) error {
			return gif.Encode(b, image.NewPaletted(whole, colours), nil)
		}),
		"rgb.bmp": encoded(func(b *bytes.Buffer) error { return bmp.Encode(b, image.NewRGBA(whole)) }),
		"rgba-16-deflated.tif": encoded(func(b *bytes.Buffer) error {
			return tiff.Encode(b, sixteenBits(side, side, false), &tiff.Options{Compression: tiff.Deflate})
		}),
		"rgba.tif":   encoded(func(b *bytes.Buffer) error { return tiff.Encode(b, image.NewNRGBA(whole), nil) }),
		"gray.pgm":   append([]byte("P5 1500 1500 255\n"), make([]byte, side*side)...),
		"rgb-16.ppm": append([]byte("P6 1500 1500 65535\n"), make([]byte, 6*side*side)...),
	}
	before := debug.SetGCPercent(5) // garbage goes at once
	defer debug.SetGCPercent(before)
	for _, decoder := range []string{"auto", "go"} {
		d, err := NewDecoder(Options{Decoder: decoder})
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range files {
			m := d.Memory(data)
			if m.W != side || m.H != side || m.Pixels != 3*side*side {
				t.Errorf("%s by %s: %+v", name, d.Name(), m)
			}
			said := m.Pixels + m.Work
			took, ok := machine.PeakDuring(func() {
				if _, err := d.Decode(data); err != nil {
					t.Errorf("%s by %s: %v", name, d.Name(), err)
				}
			})
			if !ok {
				t.Skip("the system does not tell")
			}
			t.Logf("%s by %s: said %d MB, took %d MB", name, d.Name(), said>>20, took>>20)
			if took > said+said/20+(4<<20) {
				t.Errorf("%s by %s: took %d MB where %d MB were said", name, d.Name(), took>>20, said>>20)
			}
			if said > 3*took+(4<<20) {
				t.Errorf("%s by %s: took %d MB, and %d MB were said", name, d.Name(), took>>20, said>>20)
			}
		}
	}
	runtime.KeepAlive(files)
}

// opaque hides that a picture has an alpha channel.
type opaque struct{ *image.RGBA }

func (opaque) Opaque() bool { return true }

func TestMemoryOfWhatIsRefused(t *testing.T) {
	d, err := NewDecoder(Options{MaxPixels: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{nil, []byte("no photo"), []byte("\xff\xd8\xff"), progressiveJPEG(16, 16, 2, false)} {
		if m := d.Memory(data); m != (Memory{}) {
			t.Errorf("%.10q: %+v", data, m)
		}
	}
}

func TestEveryFormatHasASize(t *testing.T) {
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, files := readZoo(t)
	seen := map[*format]bool{}
	for name, data := range files {
		im, err := d.Decode(data)
		if err != nil {
			continue // TestZoo says so
		}
		seen[sniff(data)] = true
		if m := d.Memory(data); m.W*m.H != im.W*im.H || m.Pixels != int64(len(im.Pix)) {
			t.Errorf("%s: %+v, and it has %d×%d pixels", name, m, im.W, im.H)
		}
	}
	for i := range formats {
		if f := &formats[i]; f.size == nil || !seen[f] && f.name != "HEIF" { // TestHEIF has it
			t.Errorf("%s has no size function, or no picture in testdata/zoo", f.name)
		}
	}
}

func TestJPEGsOfManyScans(t *testing.T) {
	for _, decoder := range []string{"auto", "go"} {
		d, err := NewDecoder(Options{Decoder: decoder})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decode(progressiveJPEG(64, 48, maxScans, true)); err != nil {
			t.Errorf("%d scans by %s: %v", maxScans, d.Name(), err)
		}
		if _, err := d.Decode(progressiveJPEG(64, 48, maxScans+1, true)); !errors.Is(err, errManyScans) {
			t.Errorf("%d scans by %s: %v", maxScans+1, d.Name(), err)
		}
	}
	// image/jpeg decodes the scans of a baseline file again and again, too.
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	scan := whole[bytes.Index(whole, []byte{0xFF, markSOS}) : len(whole)-2]
	repeated := append(bytes.Clone(whole[:len(whole)-2]), bytes.Repeat(scan, maxScans)...)
	d, err := NewDecoder(Options{Decoder: "go"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(append(repeated, 0xFF, markEOI)); !errors.Is(err, errManyScans) {
		t.Errorf("a baseline file: %v", err)
	}
}

func TestMemoryThatIsNotThereIsNotThePhotosFault(t *testing.T) {
	for message, want := range map[string]bool{
		"Insufficient memory (case 4)": true, "tjDecompress2(): Memory allocation failure": true,
		"Unsupported marker type 0xc5": false,
	} {
		if got := errors.Is(turboError(message), syscall.ENOMEM); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
	if err := turboError("Premature end of JPEG file"); err != nil {
		t.Errorf("a warning: %v", err)
	}
}

func TestMaxFileSize(t *testing.T) {
	for head, want := range map[string]int64{"\xff\xd8\xff\xe0": maxPacked, "II*\x00": MaxFile, "BM": MaxFile} {
		if got, err := MaxFileSize([]byte(head)); got != want || err != nil {
			t.Errorf("%q: %d, %v", head, got, err)
		}
	}
	if _, err := MaxFileSize(make([]byte, 512)); err == nil {
		t.Error("zeros are taken for a photo")
	}
}

// Decoding takes no more memory than was counted.
func FuzzMemory(f *testing.F) {
	_, files := readZoo(f)
	for _, data := range files {
		if len(data) < 4096 {
			f.Add(data)
		}
	}
	f.Add(progressiveJPEG(40, 24, 3, true))
	d, err := NewDecoder(Options{MaxPixels: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := d.Memory(data)
		if im, err := d.Decode(data); err == nil && m.Pixels != int64(len(im.Pix)) {
			t.Errorf("%+v, and it has %d×%d pixels", m, im.W, im.H)
		}
	})
}
