package imaging

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// golden is what Pillow makes of a file of the zoo (testdata/make_zoo.py).
type golden struct {
	Refused       string
	Mode          string
	Width, Height int
	SHA256        string
	Upright       string // SHA-256 after ImageOps.exif_transpose, where that changes anything
	RGB           string // of JPEG
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func readZoo(t testing.TB) (goldens map[string]golden, files map[string][]byte) {
	t.Helper()
	var zoo struct{ Files map[string]golden }
	readJSON(t, "testdata/zoo.json", &zoo)
	files = make(map[string][]byte)
	for name := range zoo.Files {
		data, err := os.ReadFile(filepath.Join("testdata/zoo", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return zoo.Files, files
}

func (g golden) pixels(t *testing.T) []uint8 {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(g.RGB)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	pix, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return pix
}

func digest(pix []uint8) string {
	sum := sha256.Sum256(pix)
	return hex.EncodeToString(sum[:])
}

// compare counts the values that differ, and by how much at most.
func compare(a, b []uint8) (differing, most int) {
	for i := range a {
		if d := int(a[i]) - int(b[i]); d != 0 {
			differing++
			most = max(most, d, -d)
		}
	}
	return differing, most
}

// refusedAlone lists what fx refuses although Pillow reads it, and a part of the reason it gives.
var refusedAlone = map[string]string{
	"png-bad-crc.png":      "checksum",   // damaged
	"png-no-iend.png":      "EOF",        // truncated
	"png-too-few-rows.png": "not enough", // truncated: Pillow leaves the rest black
	"pnm-pf.pfm":           "only P1 to P6",
	"tiff-planar.tif":      "lists 1 of the 3 strips",
	"tiff-lab.tif":         "CIE L*a*b*",
}

// goRefuses lists what only TurboJPEG reads.
var goRefuses = map[string]string{
	"jpeg-3x1.jpg":                      "subsampling",
	"jpeg-441.jpg":                      "subsampling",
	"jpeg-apart.jpg":                    "subsampling",
	"jpeg-chroma-larger.jpg":            "subsampling",
	"jpeg-arithmetic.jpg":               "unknown marker",
	"jpeg-arithmetic-progressive.jpg":   "unknown marker",
	"jpeg-arithmetic-restart.jpg":       "unknown marker",
	"jpeg-no-huffman-tables.jpg":        "Huffman table",
	"jpeg-restart-rows.jpg":             "missing 0xff00", // image/jpeg miscounts restarts of progressive scans
	"jpeg-cut-then-eoi.jpg":             "invalid JPEG",   // damaged
	"jpeg-progressive-cut-then-eoi.jpg": "invalid JPEG",   // damaged
}

// unlike lists the files whose pixels differ otherwise than by rounding.
var unlike = map[string]string{
	"go jpeg-rgb-420.jpg":                         "image/jpeg repeats the chroma of RGB and YCCK files",
	"go jpeg-ycck-420.jpg":                        "the same",
	"turbojpeg jpeg-progressive-cut-then-eoi.jpg": "libjpeg-turbo 2 smooths missing coefficients otherwise than 3",
}

func TestZoo(t *testing.T) {
	goldens, files := readZoo(t)
	for _, kind := range []string{"turbojpeg", "go"} {
		t.Run(kind, func(t *testing.T) {
			d, err := NewDecoder(Options{Decoder: kind})
			if err != nil {
				testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
			}
			for name, g := range goldens {
				im, err := d.Decode(files[name])
				if g.Refused != "" {
					if err == nil {
						t.Errorf("%s: accepted; Pillow says %s", name, g.Refused)
					}
					continue
				}
				reason, refused := refusedAlone[name]
				if !refused && kind == "go" {
					reason, refused = goRefuses[name]
				}
				if refused {
					if err == nil || !strings.Contains(err.Error(), reason) {
						t.Errorf("%s: %v; want a refusal that says %q", name, err, reason)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: refused: %v", name, err)
					continue
				}
				if im.W != g.Width || im.H != g.Height {
					t.Errorf("%s: %d×%d instead of %d×%d", name, im.W, im.H, g.Width, g.Height)
					continue
				}
				if digest(im.Pix) == g.SHA256 || unlike[kind+" "+name] != "" {
					continue
				}
				if g.RGB == "" {
					t.Errorf("%s (%s): pixels differ", name, g.Mode)
					continue
				}
				// Go's inverse transform rounds otherwise than libjpeg's: by one
				// level in luma and in chroma, which is up to three in RGB.
				n, most := compare(im.Pix, g.pixels(t))
				if kind == "turbojpeg" || strings.Contains(name, "tiles") || most > 3 || n > len(im.Pix)*2/5 {
					t.Errorf("%s (%s): %d of %d values differ, at most by %d", name, g.Mode, n, len(im.Pix), most)
				}
			}
		})
	}
}

func TestUpright(t *testing.T) {
	goldens, files := readZoo(t)
	d, err := NewDecoder(Options{EXIF: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, g := range goldens {
		if g.Upright == "" || g.RGB != "" && !d.Exact() {
			continue
		}
		im, err := d.Decode(files[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if digest(im.Pix) != g.Upright {
			t.Errorf("%s: not as Pillow turns it", name)
		}
		checked++
	}
	if checked < 8 {
		t.Errorf("only %d files have an orientation", checked)
	}
}
