package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/internal/onnx"
	"fx/internal/ort/orttest"
)

// An exported file says what a program must do with EXIF's orientation before it
// hands photos over: photos that a phone stored lying look wrong else.
func TestExportSaysWhatToDoAboutEXIF(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	small := []string{"--backbone", "resnet18", "--weights", "seed:0", "--resize", "32", "--crop", "32"}
	files := map[string]string{}
	for _, exif := range []string{"apply", "ignore"} {
		store, model := filepath.Join(dir, exif+"-store"), filepath.Join(dir, exif+"-model")
		succeed(t, append([]string{"extract", "--data", data, "--out", store, "--exif", exif}, small...)...)
		succeed(t, "fit-head", "--features", store, "--out", model, "--solver", "lbfgs")
		run := filepath.Join(dir, exif+"-run")
		succeed(t, with(training(data, run), "--exif", exif)...)
		for name, model := range map[string]string{"head": model, "run": run} {
			out := filepath.Join(dir, exif+"-"+name+".onnx")
			if said := succeed(t, "export", "--model", model, "--out", out).stdout; !strings.Contains(said,
				"fx.exif: "+exif) {
				t.Errorf("%s, exif %s: export says\n%s", name, exif, said)
			}
			if said := succeed(t, "export", "--model", model, "--out", out, "--with-preprocessing",
				"--json").stdout; !strings.Contains(said, `"exif": "`+exif+`"`) {
				t.Errorf("%s, exif %s: export --json says\n%s", name, exif, said)
			}
			files[out] = exif
		}
	}
	quick := filepath.Join(dir, "quick")
	succeed(t, "quickstart", data, "--out", quick, "--backbone", "resnet18", "--weights", "seed:0")
	files[filepath.Join(quick, "classifier.onnx")] = "apply"
	for file, want := range files {
		m, err := onnx.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := onnx.Metadata(m, backbones.MetaEXIF); got != want {
			t.Errorf("%s says fx.exif %q, its photos were read with %q", file, got, want)
		}
	}
}
