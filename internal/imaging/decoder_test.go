package imaging

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fx/internal/fail"
	"fx/internal/testenv"
)

func TestNewDecoderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		kind    fail.Kind
	}{
		"decoder":    {Options{Decoder: "magick"}, fail.Usage},
		"exif":       {Options{EXIF: "yes"}, fail.Usage},
		"max pixels": {Options{MaxPixels: -1}, fail.Usage},
	} {
		_, err := NewDecoder(c.options)
		if fail.KindOf(err) != c.kind || fail.HintOf(err) == "" {
			t.Errorf("%s: error %v of kind %d without a hint or of another kind", name, err, fail.KindOf(err))
		}
	}
}

func TestTurboJPEGVariable(t *testing.T) {
	t.Setenv(TurboJPEGVariable, filepath.Join(t.TempDir(), "none.so"))
	for _, kind := range []string{"auto", "turbojpeg"} {
		_, err := NewDecoder(Options{Decoder: kind})
		if fail.KindOf(err) != fail.Device || fail.HintOf(err) == "" ||
			!strings.Contains(err.Error(), TurboJPEGVariable) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	d, err := NewDecoder(Options{Decoder: "go"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Exact() || d.Name() != "go image/jpeg" {
		t.Errorf("%q, exact %v", d.Name(), d.Exact())
	}

	// A library that is no TurboJPEG.
	libc := "libc.so.6"
	t.Setenv(TurboJPEGVariable, libc)
	if _, err := NewDecoder(Options{Decoder: "turbojpeg"}); err == nil {
		t.Errorf("%s taken for TurboJPEG", libc)
	}
}

// TestTurboJPEGInCache has the library found below fx's cache, in a folder of a folder.
func TestTurboJPEGInCache(t *testing.T) {
	d, err := NewDecoder(Options{Decoder: "turbojpeg"})
	if err != nil {
		testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
	}
	cache := t.TempDir()
	t.Setenv("FX_CACHE_DIR", cache)
	t.Setenv(TurboJPEGVariable, "")
	folder := filepath.Join(cache, "runtime", "turbojpeg", "usr", "lib")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(d.turbo.file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "libturbojpeg.so.0.2.0")
	if err := os.WriteFile(path, data, 0o777); err != nil {
		t.Fatal(err)
	}
	d, err = NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.turbo == nil || d.turbo.file != path {
		t.Errorf("%s is not taken: %s", path, d.Name())
	}
	if !strings.HasPrefix(d.Name(), "libjpeg-turbo ") || !strings.Contains(d.Name(), "libturbojpeg.so.0.2.0") {
		t.Errorf("name %q", d.Name())
	}
}

func TestNoTurboJPEG(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "libturbojpeg.so")
	if err := os.WriteFile(broken, []byte("no library"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := firstTurboJPEG([]string{broken, "libfx-none.so"})
	if !errors.Is(err, errNoTurboJPEG) || fail.KindOf(err) != fail.Device ||
		!strings.Contains(fail.HintOf(err), "libturbojpeg0") {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
	if !strings.Contains(err.Error(), broken) || strings.Contains(err.Error(), "libfx-none") {
		t.Errorf("%v: want the file that is there and does not load, and not the name that nobody promised", err)
	}
	d, err := NewDecoder(Options{Decoder: "go"})
	if err != nil || d.Why() == "" || d.Exact() {
		t.Errorf("%v: %q", err, d.Why())
	}
}

func TestMaxPixels(t *testing.T) {
	_, files := readZoo(t)
	d, err := NewDecoder(Options{MaxPixels: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jpeg-base.jpg", "png-rgb.png", "gif-p.gif", "bmp-rgb.bmp", "tiff-rgb-raw.tif",
		"webp-lossy-17x33.webp",
		"webp-lossless.webp", "webp-animated.webp", "webp-animated-part.webp"} {
		if _, err := d.Decode(files[name]); err == nil || !strings.Contains(err.Error(), "more than the limit of 100") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Decode(files["jpeg-444-7x5.jpg"]); err != nil {
		t.Error(err)
	}
}

// TestMessages checks what users meet most.
func TestMessages(t *testing.T) {
	_, files := readZoo(t)
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"other-empty.jpg":  "empty file",
		"other-text.jpg":   "not an image",
		"jpeg-cut.jpg":     "truncated JPEG",
		"jpeg-no-eoi.jpg":  "truncated JPEG",
		"jpeg-bomb.jpg":    "65535×65535 pixels",
		"webp-cut.webp":    "truncated WebP",
		"pnm-cut.ppm":      "truncated PNM",
		"jpeg-12-bits.jpg": "12 bits",
	} {
		if _, err := d.Decode(files[name]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	if _, err := d.Decode([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp41")); err == nil ||
		!strings.Contains(err.Error(), "video") {
		t.Errorf("a video: %v", err)
	}
}

// TestConcurrent decodes from many goroutines into memory of their own and
// compares with what one goroutine gets.
func TestConcurrent(t *testing.T) {
	goldens, files := readZoo(t)
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for name := range goldens {
		if im, err := d.Decode(files[name]); err == nil {
			want[name] = digest(im.Pix)
		}
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			var im Image
			view := make([]uint8, 3*16*16)
			for name := range files { // in another order each time
				err := d.DecodeInto(&im, files[name])
				if (err == nil) != (want[name] != "") {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if err != nil {
					continue
				}
				if digest(im.Pix) != want[name] {
					t.Errorf("%s: other pixels", name)
				}
				if err := im.CenterView(spec(20, 16, "bilinear"), view); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// TestNoTablesLent decodes a file without quantisation tables after one that
// has them: libjpeg keeps tables from picture to picture.
func TestNoTablesLent(t *testing.T) {
	_, files := readZoo(t)
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	whole := files["jpeg-base.jpg"]
	if _, err := d.Decode(whole); err != nil {
		t.Fatal(err)
	}
	var bare []byte
	for rest := whole; ; {
		i := bytes.Index(rest, []byte{0xFF, markDQT})
		if i < 0 {
			bare = append(bare, rest...)
			break
		}
		bare = append(bare, rest[:i]...)
		rest = rest[i+2+int(rest[i+2])<<8+int(rest[i+3]):]
	}
	if _, err := d.Decode(bare); err == nil {
		t.Error("decoded without tables")
	}
}

// TestPanicIsAnError plants a decoder that panics.
func TestPanicIsAnError(t *testing.T) {
	saved := formats
	defer func() { formats = saved }()
	formats = []format{{name: "BAD", match: prefix("BAD"), decode: func(*Decoder, *Image, []byte, *int) error {
		panic(errors.New("planted"))
	}}}
	if _, err := new(Decoder).Decode([]byte("BAD")); err == nil ||
		!strings.Contains(err.Error(), "damaged BAD: planted") {
		t.Errorf("%v", err)
	}
}

// TestDecodeIntoReusesMemory decodes a small picture into a large one's memory.
func TestDecodeIntoReusesMemory(t *testing.T) {
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	encode := func(w, h int) []byte {
		p := image.NewGray(image.Rect(0, 0, w, h))
		p.SetGray(1, 1, color.Gray{Y: 200})
		var b bytes.Buffer
		if err := png.Encode(&b, p); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var im Image
	if err := d.DecodeInto(&im, encode(20, 10)); err != nil {
		t.Fatal(err)
	}
	first := &im.Pix[0]
	if err := d.DecodeInto(&im, encode(5, 4)); err != nil {
		t.Fatal(err)
	}
	if &im.Pix[0] != first || im.W != 5 || im.H != 4 || len(im.Pix) != 60 || im.Pix[3*(5+1)] != 200 || im.Pix[0] != 0 {
		t.Errorf("%d×%d, %d values", im.W, im.H, len(im.Pix))
	}
}

// TestASystemThatFailsChoosesNoDecoder: the photos' pixels would depend on it. Reading
// /proc/self/mem from its beginning is an input/output error.
func TestASystemThatFailsChoosesNoDecoder(t *testing.T) {
	const unreadable = "/proc/self/mem"
	if _, err := os.ReadFile(unreadable); !errors.Is(err, syscall.EIO) {
		t.Skipf("%s does not fail here: %v", unreadable, err)
	}
	if _, err := firstTurboJPEG([]string{unreadable, "libfx-none.so"}); fail.KindOf(err) != fail.System {
		t.Errorf("loading: %v", err)
	}
	if name, err := turboName(unreadable); fail.KindOf(err) != fail.System {
		t.Errorf("its version: %q, %v", name, err)
	}
}
