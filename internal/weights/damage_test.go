package weights

import (
	"os"
	"path/filepath"
	"testing"
)

// files returns every golden file of weights.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"*.pth", "*.safetensors", "*.refused"} {
		paths, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files %s", pattern)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(path)] = content
		}
	}
	return all
}

// stride thins the tests of every byte under -short, for the race detector's sake.
func stride() int {
	if testing.Short() {
		return 29
	}
	return 1
}

func TestEveryTruncationIsAnError(t *testing.T) {
	for name, file := range files(t) {
		for n := 0; n < len(file); n += stride() {
			if _, err := decode(file[:n], &Info{}); err == nil {
				t.Errorf("%s: its first %d bytes of %d were taken", name, n, len(file))
			}
		}
	}
}

// A flipped byte may go unnoticed where a format has no checksum, but never
// ends the program. In a zip archive with checksums no tensor changes unnoticed.
func TestFlippedBytes(t *testing.T) {
	checked := map[string]bool{"types.zip.pth": true, "deflated.zip.pth": true, "views.zip.pth": true}
	for name, file := range files(t) {
		whole, wholeErr := decode(file, &Info{})
		for i := 0; i < len(file); i += stride() {
			bits := [3]byte{0xff, 0x01, 0x80}[i%3]
			file[i] ^= bits
			state, err := decode(file, &Info{})
			file[i] ^= bits
			if err != nil || wholeErr != nil || !checked[name] {
				continue
			}
			for _, key := range whole.Names() {
				want, _ := whole.Get(key)
				got, _ := state.Get(key)
				if string(want.Data) != string(got.Data) {
					t.Errorf("%s: byte %d flipped by %#x changed %s", name, i, bits, key)
				}
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range files(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var state *StateDict
		var err error
		if took := allocated(func() { state, err = decode(file, &Info{}) }); took > allowed(len(file)) {
			t.Errorf("a file of %d bytes made fx allocate %d (%v)", len(file), took, err)
		}
		if err != nil {
			return
		}
		for _, name := range state.Names() {
			tensor, _ := state.Get(name)
			if err := tensor.check(); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

func FuzzUnpickle(f *testing.F) {
	f.Add([]byte(stateWith(rebuilt(floatStorage(4), 1, "(K\x02K\x01t", "(K\x01K\x00t"))))
	for _, c := range hostilePickles {
		f.Add([]byte(c.pickle))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		table := &storageTable{byKey: map[string]*storage{}}
		var root any
		var n int
		var err error
		took := allocated(func() { root, n, err = unpickle(pickle, table.persistent, newBudget(len(pickle))) })
		if took > allowed(len(pickle)) {
			t.Errorf("a pickle of %d bytes made fx allocate %d (%v)", len(pickle), took, err)
		}
		if err != nil {
			return
		}
		if n > len(pickle) {
			t.Fatalf("took %d bytes of %d", n, len(pickle))
		}
		found, _, err := stateOf(root)
		if err != nil {
			return
		}
		for _, s := range table.byKey {
			if s.numel > 1<<20 {
				return
			}
			s.data = make([]byte, s.numel*s.dtype.Size())
		}
		if state, err := found.tensors(newBudget(0)); err == nil {
			for _, name := range state.Names() {
				tensor, _ := state.Get(name)
				if err := tensor.check(); err != nil {
					t.Errorf("%q: %v", name, err)
				}
			}
		}
	})
}
