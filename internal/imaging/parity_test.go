package imaging

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/preprocess"
	"fx/internal/random"
	"fx/internal/testenv"
)

// photos returns the photos below $FX_DATA_DIR, by path relative to it, or skips the test.
func photos(t testing.TB) (root string, names []string) {
	t.Helper()
	root = testenv.PhotosDir(t)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(path))) {
			rel, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return root, names
}

// paritySpecs are the evaluation views that are compared with torchvision's.
var paritySpecs = []preprocess.Spec{
	spec(224, 224, preprocess.Bilinear),
	spec(256, 224, preprocess.Bilinear),
	spec(299, 299, preprocess.Bilinear),
	spec(256, 224, preprocess.Bicubic),
	spec(280, 256, preprocess.Bicubic),
	spec(600, 640, preprocess.Bicubic), // larger than most photos, and padded
	squashed(256, 256, preprocess.Bilinear),
	squashed(384, 384, preprocess.Bicubic),
}

func spec(resize, crop int, name preprocess.Interpolation) preprocess.Spec {
	s := preprocess.ImageNet(resize, crop)
	s.Interpolation = name
	return s
}

func squashed(resize, crop int, name preprocess.Interpolation) preprocess.Spec {
	s := spec(resize, crop, name)
	s.Mode = preprocess.Squash
	return s
}

// viewName is the name of a view in the files of compare_pillow.py.
func viewName(s preprocess.Spec) string {
	kind := "center"
	if s.Mode == preprocess.Squash {
		kind = "squash"
	}
	return fmt.Sprintf("%s-%d-%d-%s", kind, s.Resize, s.Crop, s.Interpolation)
}

// parityPhoto is one entry of index.json for compare_pillow.py.
type parityPhoto struct {
	Name    string   `json:"name"`
	Width   int      `json:"width"`
	Height  int      `json:"height"`
	Regions []Region `json:"regions"`
}

// TestWriteParity writes what fx makes of every photo of FX_DATA_DIR into the
// folder FX_PARITY_PIXELS, for testdata/compare_pillow.py to compare:
// index.json, and one file of concatenated views for each spec.
func TestWriteParity(t *testing.T) {
	out := os.Getenv("FX_PARITY_PIXELS")
	if out == "" {
		t.Skip("FX_PARITY_PIXELS is not set: the folder to write pixels to")
	}
	root, names := photos(t)
	decoder, err := NewDecoder(Options{Decoder: os.Getenv("FX_PARITY_DECODER")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		t.Fatal(err)
	}
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	var views []*os.File
	for _, s := range paritySpecs {
		views = append(views, create(viewName(s)+".rgb"))
	}
	regions := create("region-224-bilinear.rgb")
	decoded := create("decoded.rgb")
	var index []parityPhoto
	for i, name := range names {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		im, err := decoder.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p := parityPhoto{Name: name, Width: im.W, Height: im.H}
		if _, err := decoded.Write(im.Pix); err != nil {
			t.Fatal(err)
		}
		for v, s := range paritySpecs {
			write(t, views[v], s.Crop, func(dst []uint8) error { return im.CenterView(s, dst) })
		}
		for k := range 3 {
			r := RandomRegion(im.W, im.H, random.New(0, "parity", uint64(i), uint64(k)))
			p.Regions = append(p.Regions, r)
			write(t, regions, 224, func(dst []uint8) error {
				return im.RegionView(spec(1, 224, preprocess.Bilinear), r, dst)
			})
		}
		index = append(index, p)
	}
	text, err := json.Marshal(map[string]any{"decoder": decoder.Name(), "root": root, "photos": index})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "index.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f *os.File, crop int, view func(dst []uint8) error) {
	t.Helper()
	dst := make([]uint8, 3*crop*crop)
	if err := view(dst); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(dst); err != nil {
		t.Fatal(err)
	}
}

// TestPhotos checks the pixels of a few photos of FX_DATA_DIR against digests
// of Pillow's (testdata/photos.json, by compare_pillow.py --goldens).
func TestPhotos(t *testing.T) {
	root, _ := photos(t)
	decoder, err := NewDecoder(Options{Decoder: "turbojpeg"})
	if err != nil {
		testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
	}
	var goldens map[string]map[string]string
	readJSON(t, "testdata/photos.json", &goldens)
	if len(goldens) == 0 {
		t.Fatal("no goldens")
	}
	for name, golden := range goldens {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		im, err := decoder.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if digest(im.Pix) != golden["decoded"] {
			t.Errorf("%s: decoded pixels differ", name)
		}
		for _, s := range paritySpecs {
			dst := make([]uint8, 3*s.Crop*s.Crop)
			if err := im.CenterView(s, dst); err != nil {
				t.Fatal(err)
			}
			if key := viewName(s); digest(dst) != golden[key] {
				t.Errorf("%s: %s differs", name, key)
			}
		}
	}
}
