package sampledata

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/progress"
)

// zipOf makes a zip of names and contents; change may spoil a header.
func zipOf(t testing.TB, files map[string]string, change func(*zip.FileHeader)) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o644)
		if change != nil {
			change(h)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "photos.zip")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUnzipTakesPhotosOutOfTheirWrapper(t *testing.T) {
	zipped := zipOf(t, map[string]string{
		"hymenoptera_data/train/ants/a.jpg": "ant", "hymenoptera_data/val/bees/b.jpg": "bee",
		"__MACOSX/hymenoptera_data/train/._a.jpg": "x", "readme.txt": "x",
	}, nil)
	dir := t.TempDir()
	if err := unzip(t.Context(), zipped, dir); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(files(t, dir)); got != "[train/ants/a.jpg val/bees/b.jpg]" {
		t.Errorf("unpacked %s", got)
	}
}

func TestUnzipRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		change func(*zip.FileHeader)
	}{
		"a way out":        {map[string]string{"w/a/../../../../evil.jpg": "x"}, nil},
		"an absolute path": {map[string]string{"/w/a/evil.jpg": "x"}, nil},
		"a backslash":      {map[string]string{`w/a/..\evil.jpg`: "x"}, nil},
		"a link": {map[string]string{"w/a/link.jpg": "/etc/passwd"}, func(h *zip.FileHeader) {
			h.SetMode(fs.ModeSymlink | 0o777)
		}},
		"nothing of use":      {map[string]string{"readme.txt": "x"}, nil},
		"the same name twice": {map[string]string{"w/a/b.jpg": "x", "w/a/./b.jpg": "y"}, nil},
	} {
		dir := filepath.Join(t.TempDir(), "in")
		if err := unzip(t.Context(), zipOf(t, c.files, c.change), dir); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
	text := filepath.Join(t.TempDir(), "page.zip")
	if err := os.WriteFile(text, []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unzip(t.Context(), text, t.TempDir()); err == nil {
		t.Error("a web page was unpacked")
	}
}

// few draws a small part of the drawn set.
func few(ctx context.Context, dir string) error { return drawSet(ctx, dir, 2, 1) }

// The drawn set must be the same everywhere, whatever else is drawn: its accuracy is quoted.
func TestDrawnPicturesAreReproducible(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if err := few(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := drawSet(t.Context(), b, 3, 2); err != nil {
		t.Fatal(err)
	}
	names := files(t, a)
	if len(names) != 3*len(shapes) {
		t.Fatalf("%d pictures: %v", len(names), names)
	}
	seen := map[string]string{}
	for _, name := range names {
		one, errOne := os.ReadFile(filepath.Join(a, name))
		two, errTwo := os.ReadFile(filepath.Join(b, name))
		if errOne != nil || errTwo != nil || !bytes.Equal(one, two) {
			t.Errorf("%s is drawn otherwise the second time", name)
		}
		if twin := seen[string(one)]; twin != "" {
			t.Errorf("%s and %s are the same picture", name, twin)
		}
		seen[string(one)] = name
	}
}

// alone empties the surroundings that Photos looks at.
func alone(t *testing.T) (cache string) {
	t.Helper()
	cache = t.TempDir()
	t.Setenv("FX_DATA_DIR", "")
	t.Setenv("FX_CACHE_DIR", cache)
	t.Chdir(t.TempDir())
	return cache
}

func TestPhotosLooksInOrder(t *testing.T) {
	cache := alone(t)
	served := zipOf(t, map[string]string{"hymenoptera_data/train/ants/a.jpg": "ant"}, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, served)
	}))
	defer server.Close()
	o := Options{archive: &archive{url: server.URL + "/hymenoptera_data.zip"}}
	expect := func(what, origin, dir string) {
		t.Helper()
		f, err := Photos(t.Context(), o, progress.Discard)
		if err != nil || f.Origin != origin || f.Dir != dir {
			t.Errorf("%s: %+v, %v; want %s at %s", what, f, err, origin, dir)
		}
	}
	expect("nothing at hand", "download", filepath.Join(cache, "data", officialName))
	if got := fmt.Sprint(files(t, filepath.Join(cache, "data", officialName))); got != "[train/ants/a.jpg]" {
		t.Errorf("the cache holds %s", got)
	}
	server.Close()
	expect("a second time", "fx's cache", filepath.Join(cache, "data", officialName))
	if err := os.MkdirAll("data/hymenoptera_data", 0o755); err != nil {
		t.Fatal(err)
	}
	expect("a folder in data/", "a folder here", filepath.Join("data", officialName))
	other := t.TempDir()
	t.Setenv("FX_DATA_DIR", other)
	expect("FX_DATA_DIR", "FX_DATA_DIR", other)
	o.Dir = t.TempDir()
	expect("a named folder", "--data", o.Dir)
	o.Dir = filepath.Join(o.Dir, "missing")
	if _, err := Photos(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("a named folder that is missing: %v", err)
	}
}

func TestWithoutANetworkPicturesAreDrawn(t *testing.T) {
	alone(t)
	f, err := Photos(t.Context(), Options{Offline: true, draw: few}, progress.Discard)
	if err != nil || !f.Drawn || !strings.Contains(strings.Join(f.Notes, "\n"), drawnName) || len(f.Inputs) > 0 {
		t.Fatalf("%+v, %v", f, err)
	}
	drawn := files(t, f.Dir)
	if len(drawn) != len(shapes)*3 {
		t.Errorf("%d pictures", len(drawn))
	}
	if err := os.Remove(filepath.Join(f.Dir, drawn[0])); err != nil {
		t.Fatal(err)
	}
	if f, err := Photos(t.Context(), Options{Offline: true, draw: few},
		progress.Discard); fail.KindOf(err) != fail.Model || !strings.Contains(fail.HintOf(err), "Remove ") {
		t.Errorf("with a picture less: %+v, %v", f, err)
	}
}

// A log-in page in place of the zip must not be remembered as the official file.
func TestABrokenZipFallsBackToPictures(t *testing.T) {
	cache := alone(t)
	good, err := os.ReadFile(zipOf(t,
		map[string]string{"hymenoptera_data/train/ants/a.jpg": strings.Repeat("ant", 1000)}, nil))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(good)
	damaged[30+len("hymenoptera_data/train/ants/a.jpg")+3] ^= 1 // within the photo
	var served []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(served)
	}))
	defer server.Close()
	o := Options{archive: &archive{url: server.URL + "/x.zip"}, draw: few}
	for _, served = range [][]byte{[]byte("<html>"), damaged} {
		f, err := Photos(t.Context(), o, progress.Discard)
		if err != nil || !f.Drawn {
			t.Fatalf("%+v, %v", f, err)
		}
	}
	served = good
	if f, err := Photos(t.Context(), o, progress.Discard); err != nil || f.Origin != "download" ||
		len(files(t, f.Dir)) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "data", "*.zip*")); fmt.Sprint(left) != "["+filepath.Join(cache,
		"data", "hymenoptera_data.zip.lock")+"]" {
		t.Errorf("%v was left", left)
	}
}

func TestCancelledPhotosEnd(t *testing.T) {
	cache := alone(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Offline: true, draw: func(ctx context.Context, dir string) error {
		cancel()
		return drawAll(ctx, dir)
	}}
	if _, err := Photos(ctx, o, progress.Discard); fail.KindOf(err) != fail.Interrupted {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "data", "*")); len(left) > 0 {
		t.Errorf("%v was left", left)
	}
}

func TestLeftoversAreSweptAfterADay(t *testing.T) {
	cache := alone(t)
	dir := filepath.Join(cache, "photos")
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": time.Hour} {
		left := dir + ".tmp-" + name
		if err := os.Mkdir(left, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(left, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := whole(dir, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(dir + "*"); fmt.Sprint(left) != fmt.Sprintf("[%s %s.tmp-young]", dir, dir) {
		t.Errorf("%v", left)
	}
}

func ExamplePhotos() {
	dir, err := os.MkdirTemp("", "photos")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	found, err := Photos(context.Background(), Options{Dir: dir}, progress.Discard)
	fmt.Println(found.Origin, found.Dir == dir, err)
	// Output: --data true <nil>
}
