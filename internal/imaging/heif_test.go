package imaging

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// heif returns the files of testdata/heif, which make.py writes, by name.
func heif(t testing.TB) map[string][]byte {
	t.Helper()
	if _, err := heifLibrary(); err != nil {
		testenv.Lacks(t, testenv.HEIF, "no libheif: %v", err)
	}
	files := map[string][]byte{}
	paths, err := filepath.Glob("testdata/heif/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = data
	}
	return files
}

// TestHEIF compares with pillow-heif, which decodes with a libheif of its own, and for AVIF with Pillow, whose libavif
// interpolates chroma where libheif repeats it.
func TestHEIF(t *testing.T) {
	files := heif(t)
	d, err := NewDecoder(Options{EXIF: "apply"}) // which must not turn a picture a second time
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for name, data := range files {
		if !strings.HasSuffix(name, ".heic") && !strings.HasSuffix(name, ".avif") {
			continue
		}
		compared++
		im, err := d.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := png.Decode(bytes.NewReader(files[name+".png"]))
		if err != nil {
			t.Fatal(err)
		}
		if b := want.Bounds(); im.W != b.Dx() || im.H != b.Dy() {
			t.Errorf("%s: %d×%d pixels, want %v", name, im.W, im.H, b)
			continue
		}
		mean, most := 0.0, 0.0
		for y := range im.H {
			for x := range im.W {
				r, g, b, _ := want.At(x, y).RGBA()
				for c, v := range []uint32{r, g, b} {
					apart := math.Abs(float64(im.Pix[3*(y*im.W+x)+c]) - float64(v>>8))
					mean, most = mean+apart/float64(len(im.Pix)), max(most, apart)
				}
			}
		}
		t.Logf("%s: %.3f of 255 from the reference on average, %.0f at most", name, mean, most)
		if bound := map[string]float64{".heic": 0.1, ".avif": 2.5}[filepath.Ext(name)]; mean > bound {
			t.Errorf("%s: %.3f of 255 from the reference on average", name, mean)
		}
		if m := d.Memory(data); m.W != im.W || m.H != im.H || m.Work < int64(6*im.W*im.H) {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if compared != 5 {
		t.Errorf("%d files", compared)
	}
}

func TestDamagedHEIF(t *testing.T) {
	d, err := NewDecoder(Options{MaxPixels: 97 * 64})
	if err != nil {
		t.Fatal(err)
	}
	small, err := NewDecoder(Options{MaxPixels: 97*64 - 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range heif(t) {
		if strings.HasSuffix(name, ".png") || strings.HasSuffix(name, ".py") {
			continue
		}
		if _, err := small.Decode(data); err == nil || !strings.Contains(err.Error(), "more than the limit") {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range []int{20, 100, len(data) / 2, len(data) - 30} {
			if _, err := d.Decode(data[:n]); err == nil || !strings.Contains(err.Error(), "HEIF") {
				t.Errorf("%s, its first %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestNoHEIFLibrary(t *testing.T) {
	if err := needsHEIF(os.ErrNotExist); !strings.Contains(err.Error(), "install libheif1") {
		t.Error(err)
	}
	if _, err := openHEIF("libnone.so.1"); err == nil {
		t.Error("a library that is not there was opened")
	}
	for head, want := range map[string]bool{
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic": true, "\x00\x00\x00\x1cftypmsf1\x00\x00\x00\x00": true,
		"\x00\x00\x00\x18ftypMiHE\x00\x00\x00\x00avifmif1": true,
		"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp41isom": false,
		"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00heic":     false, "\xff\xd8\xff": false,
	} {
		if isHEIF([]byte(head)) != want {
			t.Errorf("%q is HEIF: %v", head, !want)
		}
	}
}

func FuzzHEIF(f *testing.F) {
	for name, data := range heif(f) {
		if strings.HasSuffix(name, ".heic") || strings.HasSuffix(name, ".avif") {
			f.Add(data)
		}
	}
	d, err := NewDecoder(Options{MaxPixels: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isHEIF(data) {
			return
		}
		if im, err := d.Decode(data); err == nil && len(im.Pix) != 3*im.W*im.H {
			t.Errorf("%d×%d pixels, %d values", im.W, im.H, len(im.Pix))
		}
	})
}
