package imaging

import (
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// mutated is one damaged file of testdata/mutate.py.
type mutated struct {
	Kind, Sum string
	Ops       [][]any
}

func (m mutated) apply(t *testing.T, data []byte) []byte {
	t.Helper()
	data = slices.Clone(data)
	for _, op := range m.Ops {
		n := func(i int) int { return int(op[i].(float64)) }
		bytes := func(i int) []byte {
			b, err := hex.DecodeString(op[i].(string))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		switch op[0] {
		case "cut":
			data = data[:n(1)]
		case "flip":
			data[n(1)] ^= byte(n(2))
		case "delete":
			data = slices.Delete(data, n(1), min(n(1)+n(2), len(data)))
		case "insert":
			data = slices.Insert(data, n(1), bytes(2)...)
		case "append":
			data = append(data, bytes(1)...)
		default:
			t.Fatalf("operation %v", op)
		}
	}
	return data
}

// TestMutations compares which of thousands of damaged files are accepted with
// what Pillow accepted, and their pixels. FX_MUTATIONS names a larger set than
// the committed one.
func TestMutations(t *testing.T) {
	path := os.Getenv("FX_MUTATIONS")
	if path == "" {
		path = "testdata/mutations.json"
	}
	var all struct {
		Files []struct {
			File  string
			Cases []mutated
		}
	}
	readJSON(t, path, &all)
	for _, kind := range []string{"turbojpeg", "go"} {
		t.Run(kind, func(t *testing.T) {
			d, err := NewDecoder(Options{Decoder: kind})
			if err != nil {
				testenv.Lacks(t, testenv.TurboJPEG, "%v", err)
			}
			table := map[string]*tally{"total": {}}
			for _, f := range all.Files {
				name := f.File
				if !filepath.IsAbs(name) {
					name = filepath.Join("testdata/zoo", name)
				}
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				for i, m := range f.Cases {
					im, err := d.Decode(m.apply(t, data))
					for _, key := range []string{m.Kind, "total"} {
						if table[key] == nil {
							table[key] = new(tally)
						}
						table[key].add(im, err, m.Sum)
					}
					if (err == nil) != (m.Sum != "") && kind == "turbojpeg" {
						t.Logf("%s %d (%s %v): %v", filepath.Base(f.File), i, m.Kind, m.Ops, err)
					}
				}
			}
			for _, key := range slices.Sorted(maps.Keys(table)) {
				r := table[key]
				t.Logf("%-22s %5d cases: %5d agree (%.2f %%), %4d stricter, %4d laxer; of %5d accepted by both %5d "+
					"have the same pixels",
					key, r.cases, r.agree, 100*float64(r.agree)/float64(r.cases), r.stricter, r.laxer, r.accepted,
					r.same)
			}
			// By TurboJPEG the verdicts are Pillow's (one in 7700 differs on
			// photos), and the pixels where no scan is missing. Go's decoder
			// refuses much damage that libjpeg covers up, but takes little
			// that Pillow refuses, and no truncated file.
			total := table["total"]
			least, laxer := 0.999, 0
			if kind == "go" {
				least, laxer = 0.75, total.cases/200
			}
			if float64(total.agree) < least*float64(total.cases) || total.laxer > laxer {
				t.Errorf("%d of %d verdicts agree, %d are laxer", total.agree, total.cases, total.laxer)
			}
			if kind == "turbojpeg" && float64(total.same) < 0.98*float64(total.accepted) {
				t.Errorf("%d of %d have the same pixels", total.same, total.accepted)
			}
			for key, r := range table {
				if strings.HasPrefix(key, "cut") && !strings.Contains(key, "EOI") && r.laxer > 0 {
					t.Errorf("%s: %d truncated files accepted", key, r.laxer)
				}
			}
		})
	}
}

// tally counts, for one kind of damage, how fx's verdict compares with Pillow's.
type tally struct {
	cases, agree, stricter, laxer int
	accepted, same                int // accepted by both, and with the same pixels
}

// add counts a verdict; sum is the beginning of the digest of Pillow's pixels, or "".
func (r *tally) add(im *Image, err error, sum string) {
	r.cases++
	switch {
	case (err == nil) == (sum != ""):
		r.agree++
	case err != nil:
		r.stricter++
	default:
		r.laxer++
	}
	if err == nil && sum != "" {
		r.accepted++
		if strings.HasPrefix(digest(im.Pix), sum) {
			r.same++
		}
	}
}
