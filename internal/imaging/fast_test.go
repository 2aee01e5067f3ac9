package imaging

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// fastGolden is what Pillow's draft mode makes of a file (testdata/make_fast.py).
type fastGolden struct {
	Width, Height int
	Sum           string
}

// unlikeAtScale lists files whose pixels differ from Pillow 13's, and why.
var unlikeAtScale = map[string]string{
	"jpeg-progressive-cut-then-eoi.jpg": "libjpeg-turbo 2 smooths missing coefficients otherwise than 3",
}

func TestFastDecodeEqualsDraft(t *testing.T) {
	fast, err := NewDecoder(Options{Decoder: "turbojpeg", FastDecode: true})
	if err != nil {
		testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
	}
	var goldens struct {
		Zoo, Photos map[string]map[string]fastGolden
	}
	readJSON(t, "testdata/fast.json", &goldens)
	if len(goldens.Zoo) < 20 || len(goldens.Photos) < 5 {
		t.Fatalf("%d and %d goldens", len(goldens.Zoo), len(goldens.Photos))
	}
	scales := map[int]int{}
	check := func(name string, data []byte, bySide map[string]fastGolden) {
		whole, err := fast.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for text, g := range bySide {
			side, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			im, err := fast.For(side).Decode(data)
			if err != nil {
				t.Errorf("%s for %d: %v", name, side, err)
				continue
			}
			if im.W != g.Width || im.H != g.Height {
				t.Errorf("%s for %d: %d×%d, Pillow has %d×%d", name, side, im.W, im.H, g.Width, g.Height)
			} else if _, known := unlikeAtScale[name]; !known && !strings.HasPrefix(digest(im.Pix), g.Sum) {
				t.Errorf("%s for %d: pixels differ from Pillow's", name, side)
			}
			if min(im.W, im.H) < side {
				t.Errorf("%s for %d: %d×%d pixels are too few", name, side, im.W, im.H)
			}
			scales[(whole.W+im.W-1)/im.W]++
		}
	}
	for name, bySide := range goldens.Zoo {
		data, err := os.ReadFile(filepath.Join("testdata", "zoo", name))
		if err != nil {
			t.Fatal(err)
		}
		check(name, data, bySide)
	}
	if root := os.Getenv("FX_DATA_DIR"); root != "" {
		for name, bySide := range goldens.Photos {
			data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			check(name, data, bySide)
		}
	}
	if scales[2] == 0 || scales[4] == 0 {
		t.Errorf("scales seen: %v", scales)
	}
}

func TestFastDecodeLeavesOthersWhole(t *testing.T) {
	fast, err := NewDecoder(Options{FastDecode: true})
	if err != nil {
		testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
	}
	plain, err := NewDecoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if plain.For(8) != plain {
		t.Error("a plain decoder has scales")
	}
	for _, name := range []string{"png-rgb.png", "bmp-rgb.bmp", "jpeg-444-17x33.jpg"} {
		data, err := os.ReadFile(filepath.Join("testdata", "zoo", name))
		if err != nil {
			t.Fatal(err)
		}
		want, errWant := plain.Decode(data)
		got, errGot := fast.For(17).Decode(data)
		if errWant != nil || errGot != nil || got.W != want.W || digest(got.Pix) != digest(want.Pix) {
			t.Errorf("%s: %v %v", name, errWant, errGot)
		}
	}
	cut, err := os.ReadFile(filepath.Join("testdata", "zoo", "jpeg-cut.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fast.For(8).Decode(cut); err == nil {
		t.Error("a truncated file is taken at a small scale")
	}
}

func TestFastDecodeNeedsTurboJPEG(t *testing.T) {
	if _, err := NewDecoder(Options{Decoder: "go", FastDecode: true}); fail.KindOf(err) != fail.Usage ||
		fail.HintOf(err) == "" {
		t.Errorf("decoder go: %v", err)
	}
	t.Setenv(TurboJPEGVariable, filepath.Join(t.TempDir(), "none.so"))
	if _, err := NewDecoder(Options{FastDecode: true}); fail.KindOf(err) != fail.Device || fail.HintOf(err) == "" {
		t.Errorf("without the library: %v", err)
	}
}
