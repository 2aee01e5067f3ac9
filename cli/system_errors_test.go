package cli

import (
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/nativelib"
	"fx/internal/ort/orttest"
)

// emptySurroundings is a place where fx finds neither weights nor photos, and no network.
func emptySurroundings(t *testing.T) {
	t.Helper()
	if library, err := nativelib.Find(""); err == nil { // also where it lies in fx's cache
		t.Setenv("FX_ORT_LIB", library.Path)
	}
	for _, name := range []string{"FX_WEIGHTS_DIR", "FX_CACHE_DIR", "TORCH_HOME", "HF_HOME", "HOME"} {
		t.Setenv(name, t.TempDir())
	}
	t.Setenv("FX_DATA_DIR", "")
	for _, name := range []string{"HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	// Nor the tools that fetch Python packages.
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("UV_OFFLINE", "1")
}

// file writes a file into a folder, and makes the folders above it.
func file(t *testing.T, content string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// ended demands that the command told of the system's failure.
func ended(t *testing.T, a answer, says ...string) {
	t.Helper()
	if a.code != 10 {
		t.Errorf("exit code %d: %s%s", a.code, a.stdout, a.stderr)
	}
	for _, part := range says {
		if !strings.Contains(a.stderr, part) {
			t.Errorf("%q is not in %s", part, a.stderr)
		}
	}
}

// Weights that the system fails to read are not replaced: neither by another network's, nor by
// random ones, nor by those of the next place.
func TestAReadOfWeightsThatFailsChangesNoNetwork(t *testing.T) {
	orttest.Library(t)
	data := twoClasses(filepath.Join(t.TempDir(), "data"))
	t.Run("another network", func(t *testing.T) {
		emptySurroundings(t)
		weights := file(t, "x", os.Getenv("FX_WEIGHTS_DIR"), "efficientnet_lite0.safetensors")
		out := filepath.Join(t.TempDir(), "out")
		ended(t, failing(t, weights, "openat", "EMFILE", "quickstart", data, "--out", out, "--quiet"), weights)
		t.Setenv("FX_DATA_DIR", data)
		ended(t, failing(t, weights, "read", "EIO", "demo", "--out", out, "--quiet"), weights)
	})
	matrix := file(t, "format: 1\nname: little\ntitle: A little matrix\ndata: "+absolutePath(t, data)+"\n"+
		"backbones: [squeezenet1_1]\nmodes: [feature-extraction]\nseeds: [4]\nweights-if-missing: seed:1\n"+
		"settings: {epochs: 1, batch-size: 4, resize: 48, crop: 48}\n", t.TempDir(), "little.yaml")
	t.Run("random weights", func(t *testing.T) {
		emptySurroundings(t)
		weights := file(t, "x", os.Getenv("FX_WEIGHTS_DIR"), "squeezenet1_1.safetensors")
		out := filepath.Join(t.TempDir(), "out")
		ended(t, failing(t, weights, "read", "EIO", "experiment", "run", matrix, "--out", out, "--no-report",
			"--quiet"), weights)
	})
	t.Run("random weights for a damaged file", func(t *testing.T) {
		emptySurroundings(t)
		weights := file(t, "x", os.Getenv("FX_WEIGHTS_DIR"), "squeezenet1_1-b8a52dc0.pth")
		a := fx(t, "experiment", "run", matrix, "--out", filepath.Join(t.TempDir(), "out"), "--no-report", "--quiet")
		if a.code != 4 || !strings.Contains(a.stderr, weights+" is damaged") {
			t.Errorf("exit code %d: %s%s", a.code, a.stdout, a.stderr)
		}
	})
	t.Run("the next place", func(t *testing.T) {
		emptySurroundings(t)
		weights := file(t, "x", os.Getenv("TORCH_HOME"), "hub", "checkpoints", "squeezenet1_1-b8a52dc0.pth")
		store := filepath.Join(t.TempDir(), "store")
		ended(t, failing(t, weights, "read", "EIO", "extract", "--backbone", "squeezenet1_1", "--data", data, "--out",
			store, "--quiet"), weights)
	})
	t.Run("a download", func(t *testing.T) {
		emptySurroundings(t)
		part := filepath.Join(os.Getenv("FX_CACHE_DIR"), "weights", "squeezenet1_1-b8a52dc0.pth.part")
		store := filepath.Join(t.TempDir(), "store")
		ended(t, failing(t, part, "openat", "EMFILE", "extract", "--backbone", "squeezenet1_1", "--data", data,
			"--out", store, "--quiet"), part)
	})
}

// Photos that can't be downloaded for the system's sake are not replaced by drawn ones.
func TestADownloadOfPhotosThatFailsDrawsNone(t *testing.T) {
	emptySurroundings(t)
	t.Chdir(t.TempDir())
	part := filepath.Join(os.Getenv("FX_CACHE_DIR"), "data", "hymenoptera_data.zip.part")
	ended(t, failing(t, part, "openat", "EMFILE", "demo", "--out", "out", "--quiet"), part)
}

// A report tells photos that are gone from those that the system or the memory keeps back.
func TestAReportTellsWhyAPhotoIsMissing(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store, model := absolutePath(t, twoClasses(filepath.Join(dir, "data"))), filepath.Join(dir,
		"store"), filepath.Join(dir, "model")
	large, err := os.Create(filepath.Join(data, "val", "red", "large.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(large, image.NewRGBA(image.Rect(0, 0, 2000, 2000))); err != nil {
		t.Fatal(err)
	}
	if err := large.Close(); err != nil {
		t.Fatal(err)
	}
	succeed(t, "extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--quiet")
	succeed(t, "fit-head", "--features", store, "--out", model, "--epochs", "2", "--quiet")
	report := []string{"report", model, "--out", filepath.Join(dir, "page.html"), "--quiet"}
	ended(t, failing(t, filepath.Join(data, "val"), "openat", "EMFILE", report...), filepath.Join(data, "val"))

	a := succeed(t, append(report, "--decode-memory", "4MiB", "--json")...)
	if !strings.Contains(a.stdout, "1 photos have no thumbnail: they take more memory") ||
		strings.Contains(a.stdout, "are gone") {
		t.Errorf("the notes: %s", a.stdout)
	}
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	ended(t, failing(t, data, "newfstatat", "EIO", append(report, "--data", data)...), data)
}

// A format file that the system fails to open does not make the folder another's.
func TestAFormatFileThatCannotBeOpened(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, store, model := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store"), filepath.Join(dir,
		"model")
	extract := []string{"extract", "--backbone", tinyNetwork, "--data", data, "--out", store, "--quiet"}
	fit := []string{"fit-head", "--features", store, "--out", model, "--epochs", "2", "--quiet"}
	succeed(t, extract...)
	succeed(t, fit...)
	for name, args := range map[string][]string{filepath.Join(store, "manifest.json"): extract,
		filepath.Join(model, "model.json"): fit} {
		for call, errno := range map[string]string{"openat": "EMFILE", "read": "EIO"} {
			ended(t, failing(t, name, call, errno, args...), name)
		}
	}
}

// A store's lock holds also where its manifest is damaged.
func TestALockHoldsBesideADamagedManifest(t *testing.T) {
	orttest.Library(t)
	emptySurroundings(t)
	dir := t.TempDir()
	data, store := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "store")
	weights := filepath.Join(os.Getenv("FX_WEIGHTS_DIR"), "squeezenet1_1.safetensors")
	succeed(t, "backbones", "save", "squeezenet1_1", "--weights", "seed:1", "--out", weights, "--quiet")
	extract := []string{"extract", "--backbone", "squeezenet1_1", "--resize", "64", "--crop", "64", "--data", data,
		"--out", store, "--quiet"}
	succeed(t, extract...)
	manifest := filepath.Join(store, "manifest.json")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	file(t, string(text[:len(text)/2]), manifest)
	succeed(t, "backbones", "save", "squeezenet1_1", "--weights", "seed:2", "--out", weights, "--force", "--quiet")
	if a := fx(t, extract...); a.code != 4 || !strings.Contains(a.stderr, "lock.json names") {
		t.Errorf("exit code %d: %s%s", a.code, a.stdout, a.stderr)
	}
}

// Where the system fails, the runs that are left are not tried, and none counts as failed.
func TestAnExperimentEndsWhereTheSystemFails(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, out := absolutePath(t, twoClasses(filepath.Join(dir, "data"))), filepath.Join(dir, "out")
	matrix := file(t, "format: 1\nname: little\ntitle: A little matrix\ndata: "+data+"\n"+
		"backbones: [{name: "+absolutePath(t, tinyNetwork)+"}]\nmodes: [finetune]\nseeds: [0, 1]\n"+
		"settings: {epochs: 1, batch-size: 4, views: 0}\n", dir, "little.yaml")
	args := []string{"experiment", "run", matrix, "--out", out, "--no-report", "--quiet"}
	type run struct{ Dir, Status string }
	runs := func() []run {
		text, err := os.ReadFile(filepath.Join(out, "experiment.json"))
		var e struct{ Runs []run }
		if err == nil {
			err = json.Unmarshal(text, &e)
		}
		if err != nil || len(e.Runs) != 2 {
			t.Fatalf("%v: %s", err, text)
		}
		return e.Runs
	}
	succeed(t, args...)
	first, second := filepath.Join(out, runs()[0].Dir), filepath.Join(out, runs()[1].Dir)
	for _, done := range []string{first, second} {
		if err := os.RemoveAll(done); err != nil {
			t.Fatal(err)
		}
	}
	ended(t, failing(t, filepath.Join(first, "lock"), "openat", "EMFILE", args...), first)
	if _, err := os.Stat(second); err == nil {
		t.Error("the second run was tried")
	}
	if status := runs()[0].Status; status == "failed" {
		t.Error("the first run counts as failed")
	}
	succeed(t, args...)
	ended(t, failing(t, filepath.Join(first, "model.json"), "read", "EIO", args...), first) // it is not trained again
}

func absolutePath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
