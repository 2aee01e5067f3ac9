package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOrigin(t *testing.T) {
	for want, around := range map[How][]string{
		ByWheel:   {"env/pyvenv.cfg", "env/bin/fx"},
		ByArchive: {"fx-1.2/NOTICE", "fx-1.2/completion/fx.bash", "fx-1.2/fx"},
		BySource:  {"checkout/go.mod", "checkout/NOTICE", "checkout/fx"},
	} {
		checkOrigin(t, want, around)
	}
	checkOrigin(t, ByWheel, []string{"usr/lib/python3.11/dist-packages/fx-1.2.dist-info/RECORD", "usr/bin/fx"})
	checkOrigin(t, ByWheel, []string{"conda/conda-meta/history", "conda/bin/fx"})
}

// checkOrigin makes the files around the program, which is the last of them.
func checkOrigin(t *testing.T, want How, around []string) {
	t.Helper()
	dir, path := t.TempDir(), ""
	for _, name := range around {
		path = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if o := findOrigin(path); o.How != want || o.Program != path {
		t.Errorf("%v: %+v, want %s", around, o, want)
	}
}
