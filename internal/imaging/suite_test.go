package imaging

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSuite compares fx with Pillow on other projects' BMP and TIFF files, see testdata/suite.py.
func TestSuite(t *testing.T) {
	path := os.Getenv("FX_SUITE")
	if path == "" {
		t.Skip("FX_SUITE names no goldens of testdata/suite.py")
	}
	var goldens map[string]struct {
		golden
		Kind, Tags string
	}
	readJSON(t, path, &goldens)
	d, err := NewDecoder(Options{Decoder: os.Getenv("FX_PARITY_DECODER")})
	if err != nil {
		t.Fatal(err)
	}
	read, same := map[string]int{}, map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(goldens)) {
		g := goldens[name]
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		im, err := d.Decode(data)
		what := strings.Join([]string{filepath.Base(name), g.Mode, g.Tags}, " ")
		if g.Refused != "" {
			if err == nil {
				t.Logf("LAXER   %s: Pillow says %s", what, g.Refused)
			} else {
				t.Logf("both    %s: %v; Pillow: %s", what, err, g.Refused)
			}
			continue
		}
		read[g.Kind]++
		switch {
		case err != nil:
			t.Logf("REFUSED %s: %v", what, err)
		case im.W != g.Width || im.H != g.Height || digest(im.Pix) != g.SHA256:
			t.Errorf("%s: other pixels", what)
		default:
			same[g.Kind]++
		}
	}
	for kind, n := range read {
		t.Logf("%s: %d of the %d files that Pillow reads have its pixels", kind, same[kind], n)
	}
}
