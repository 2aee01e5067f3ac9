package imaging

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// readRasters returns the files of testdata/make_rasters.py and what Pillow makes of them.
func readRasters(t testing.TB) (goldens map[string]golden, files map[string][]byte) {
	t.Helper()
	var rasters struct{ Files map[string]golden }
	readJSON(t, "testdata/rasters.json", &rasters)
	archive, err := zip.OpenReader("testdata/rasters.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	files = make(map[string][]byte)
	for _, entry := range archive.File {
		r, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name] = data
	}
	if len(files) != len(rasters.Files) || len(files) < 500 {
		t.Fatalf("%d files, %d goldens", len(files), len(rasters.Files))
	}
	return rasters.Files, files
}

// rasterRefusedAlone lists what fx refuses although Pillow reads it, and a part of the reason it gives.
var rasterRefusedAlone = map[string]string{
	"tiff-float-packbits-be.tif":          "whose bytes Pillow swaps",
	"tiff-float-predictor-be.tif":         "whose bytes Pillow swaps",
	"tiff-inks16-planes.tif":              "uncompressed separate planes, which Pillow takes to be of 8 bits",
	"tiff-rgb16-planes.tif":               "uncompressed separate planes, which Pillow takes to be of 8 bits",
	"tiff-rgb16-unsaid-planes.tif":        "uncompressed separate planes, which Pillow takes to be of 8 bits",
	"tiff-rgba16-planes.tif":              "uncompressed separate planes, which Pillow takes to be of 8 bits",
	"tiff-jpeg-ycbcr-planes.tif":          "YCbCr in separate planes",
	"tiff-lab-be.tif":                     "CIE L*a*b*",
	"tiff-lab-le.tif":                     "CIE L*a*b*",
	"tiff-lab-lzw.tif":                    "CIE L*a*b*",
	"tiff-pillow-group3-2d.tif":           "two-dimensional CCITT Group 3",
	"tiff-pillow-tiff_ccitt.tif":          "CCITT run lengths",
	"tiff-pillow-tiff_ccitt-inverted.tif": "CCITT run lengths",
	"tiff-pillow-lzma.tif":                "LZMA",
	"tiff-pillow-lzma-gray.tif":           "LZMA",
	"tiff-ycbcr-sub44-lzw.tif":            "of which libtiff loses the end",
}

// rasterReadAlone lists what fx reads although Pillow refuses it, and a file of the same pixels that Pillow reads.
var rasterReadAlone = map[string]string{
	"bmp-p2.bmp":                        "bmp-p2-as-p8.bmp",
	"bmp-p4-gray-of-16.bmp":             "bmp-p4-gray-of-16-as-p8.bmp",
	"tiff-gray16-inverted-be.tif":       "tiff-gray16-inverted-le.tif",
	"tiff-gray-alpha-planes.tif":        "tiff-gray-alpha-planes-tiles-lzw.tif",
	"tiff-gray-x-planes.tif":            "tiff-gray-x-planes-tiles-lzw.tif",
	"tiff-p-alpha-planes.tif":           "tiff-p-alpha-planes-tiles-lzw.tif",
	"tiff-p2-reversed.tif":              "tiff-p2-reversed-lzw.tif",
	"tiff-rgb-associated-planes.tif":    "tiff-rgb-associated-planes-tiles-lzw.tif",
	"tiff-rgbx-planes.tif":              "tiff-rgbx-planes-tiles-lzw.tif",
	"tiff-rgbax-planes.tif":             "tiff-rgbax-lzw.tif",
	"tiff-rgbax-planes-packbits-be.tif": "tiff-rgbax-lzw.tif",
	"tiff-rgbax-planes-tiles-lzw.tif":   "tiff-rgbax-lzw.tif",
}

func TestRasters(t *testing.T) {
	goldens, files := readRasters(t)
	for _, kind := range []string{"turbojpeg", "go"} {
		t.Run(kind, func(t *testing.T) {
			d, err := NewDecoder(Options{Decoder: kind})
			if err != nil {
				testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
			}
			for name, g := range goldens {
				im, err := d.Decode(files[name])
				reason, refused := rasterRefusedAlone[name]
				switch {
				case g.Refused != "" && rasterReadAlone[name] != "":
					if err != nil || digest(im.Pix) != goldens[rasterReadAlone[name]].SHA256 {
						t.Errorf("%s: not the pixels of %s: %v", name, rasterReadAlone[name], err)
					}
				case g.Refused != "":
					if err == nil {
						t.Errorf("%s: accepted; Pillow says %s", name, g.Refused)
					}
				case refused:
					if err == nil || !strings.Contains(err.Error(), reason) {
						t.Errorf("%s: %v; want a refusal that says %q", name, err, reason)
					}
				case err != nil:
					t.Errorf("%s: refused: %v", name, err)
				case im.W != g.Width || im.H != g.Height:
					t.Errorf("%s: %d×%d instead of %d×%d", name, im.W, im.H, g.Width, g.Height)
				case digest(im.Pix) == g.SHA256:
				case g.RGB == "" || kind == "turbojpeg":
					t.Errorf("%s (%s): pixels differ", name, g.Mode)
				default: // as in TestZoo
					if n, most := compare(im.Pix, g.pixels(t)); most > 3 || n > len(im.Pix)*2/5 {
						t.Errorf("%s (%s): %d of %d values differ, at most by %d", name, g.Mode, n, len(im.Pix), most)
					}
				}
			}
		})
	}
}

// TestRefusalsAreDocumented finds the reasons for what fx refuses alone on the page that promises to list them.
func TestRefusalsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/image-formats.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := slices.Collect(maps.Values(rasterRefusedAlone))
	for name, reason := range refusedAlone {
		if !strings.HasPrefix(name, "png") && name != "tiff-planar.tif" { // damage
			reasons = append(reasons, reason)
		}
	}
	for _, reason := range reasons {
		if !strings.Contains(string(page), reason) {
			t.Errorf("docs/image-formats.md does not say %q", reason)
		}
	}
}

// TestNoMemoryForAbsentPixels declares a picture of 169 megapixels in small files: nothing may be allocated for it.
func TestNoMemoryForAbsentPixels(t *testing.T) {
	_, files := readRasters(t)
	d, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	const side = 13000
	for name, place := range map[string]struct {
		width, height int
		order         binary.ByteOrder
	}{
		"bmp-24-header40.bmp":  {18, 22, binary.LittleEndian},
		"bmp-16.bmp":           {18, 22, binary.LittleEndian},
		"tiff-rgb-le.tif":      {18, 30, binary.LittleEndian},
		"tiff-rgb16-be.tif":    {18, 30, binary.BigEndian},
		"tiff-rgb-planes.tif":  {18, 30, binary.LittleEndian},
		"tiff-rgb-lzw.tif":     {18, 30, binary.LittleEndian},
		"tiff-inks-tiles.tif":  {18, 30, binary.LittleEndian},
		"tiff-jpeg-inks.tif":   {18, 30, binary.LittleEndian},
		"tiff-gray-planes.tif": {18, 30, binary.LittleEndian},
	} {
		data := slices.Clone(files[name])
		place.order.PutUint16(data[place.width:], side)
		place.order.PutUint16(data[place.height:], side)
		before := allocated()
		_, err := d.Decode(data)
		if n := allocated() - before; err == nil || n > 1<<20 {
			t.Errorf("%s: %d bytes allocated, %v", name, n, err)
		}
	}
}
