package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort/orttest"
	"fx/internal/preprocess"
	"fx/internal/store"
)

// withoutMetadata is the tiny network as any exporter might write it.
func withoutMetadata(t *testing.T, dir string) string {
	t.Helper()
	m, err := onnx.Load(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	m.MetadataProps = nil
	path := filepath.Join(dir, "foreign.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a file does not say of its preprocessing, flags say to every command, and its stores and
// MODELs remember.
func TestAForeignNetworkTakesFlags(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, network := twoClasses(filepath.Join(dir, "data")), withoutMetadata(t, dir)
	in := func(name string) string { return filepath.Join(dir, name) }
	half, _ := preprocess.ParseNormalization("half", "")

	bare := fx(t, "quickstart", data, "--backbone", network, "--out", in("quick"))
	if bare.code != int(fail.Usage) || !strings.Contains(bare.stderr, "--resize") {
		t.Fatalf("without flags: %d\n%s", bare.code, bare.stderr)
	}
	quick := []string{"quickstart", data, "--out", in("quick"), "--quiet"}
	succeed(t, append(quick, "--backbone", network, "--resize", "24", "--mean", "half")...)
	m, err := store.ReadManifest(in("quick/features"))
	if err != nil || m.Preprocess.Resize != 24 || m.Preprocess.Normalization() != half {
		t.Errorf("%+v, %v", m.Preprocess, err)
	}
	if again := succeed(t, quick...); !strings.Contains(again.stdout, "Nothing has changed") {
		t.Errorf("without --backbone, the next run does not go on:\n%s", again.stdout)
	}
	succeed(t, "eval", "--model", in("quick/model"), "--data", data)

	flags := []string{"--backbone", network, "--data", data, "--resize", "24", "--mean", "0.5,0.5,0.5", "--std", "half"}
	succeed(t, append([]string{"extract", "--out", in("store")}, flags...)...)
	m, err = store.ReadManifest(in("store"))
	if err != nil || m.Preprocess.Normalization() != half {
		t.Errorf("%+v, %v", m.Preprocess, err)
	}
	other := fx(t, "extract", "--out", in("store"), "--backbone", network, "--data", data, "--resize", "24")
	if other.code != int(fail.Usage) {
		t.Errorf("another normalization in one store: %d\n%s", other.code, other.stderr)
	}
	run := succeed(t, append([]string{"finetune", "--out", in("run"), "--head-only", "--epochs", "1"}, flags...)...)
	if strings.Contains(run.stderr+run.stdout, "assumes ImageNet's") {
		t.Errorf("notes of the run:\n%s%s", run.stderr, run.stdout)
	}
	succeed(t, "eval", "--model", in("run"), "--data", data)
	succeed(t, append([]string{"lr-find", "--out", in("lr.png"), "--head-only", "--steps", "20"}, flags...)...)

	for _, wrong := range [][]string{{"--mean", "vague"}, {"--mean", "1,2"}, {"--std", "1,1,0"}} {
		a := fx(t, append([]string{"extract", "--backbone", network, "--data", data, "--out", in("no")}, wrong...)...)
		if a.code != int(fail.Usage) || !strings.Contains(a.stderr, wrong[0]) {
			t.Errorf("%v: %d\n%s", wrong, a.code, a.stderr)
		}
	}
	a := fx(t, "extract", "--backbone", "resnet18", "--data", data, "--out", in("no"), "--mean", "half")
	if a.code != int(fail.Usage) || !strings.Contains(a.stderr, "registered network") {
		t.Errorf("a registered network: %d\n%s", a.code, a.stderr)
	}
	a = fx(t, "extract", "--backbone", "convnext_giant", "--data", data, "--out", in("no"))
	if a.code != int(fail.Usage) || !strings.Contains(a.stderr, "scripts/export_onnx") {
		t.Errorf("an unknown network: %d\n%s", a.code, a.stderr)
	}
}
