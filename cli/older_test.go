package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/ort/orttest"
)

// olderFiles are a copy of what an fx before checksums wrote, see testdata/older/make.sh.
func olderFiles(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "older"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A store, a MODEL, RUNs and an experiment of an older fx open, with the figures that it gave.
func TestFilesOfAnOlderFxOpen(t *testing.T) {
	dir := olderFiles(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"features", "info", in("store")}, "24, 24 rows in 1 shards"},
		{[]string{"features", "verify", in("store")}, "24 rows in 1 shards, 0.0 MB, 0 problems"},
		{[]string{"features", "export", in("store"), "--out", in("rows.csv")}, "24 rows"},
		{[]string{"eval", "--model", in("model"), "--features", in("store")}, "accuracy 1.0000, loss 0.1347"},
		{[]string{"fit-head", "--features", in("store"), "--out", in("model"), "--epochs", "5", "--lr", "0.5",
			"--force"}, "best val accuracy 1.0000 in epoch 3 of 5"},
		{[]string{"eval", "--model", in("model"), "--features", in("store")}, "accuracy 1.0000, loss 0.1347"},
		{[]string{"compare", in("model"), in("experiment/runs/tiny-feature-extraction-seed0-d1acc02d9168")},
			"accuracy"},
		{[]string{"compare", in("run"), in("experiment/runs/tiny-finetune-seed0-4764ee9edd36")}, "accuracy"},
		{[]string{"report", in("experiment"), "--out", in("page.html")}, "page.html"},
		{[]string{"report", in("run"), in("model"), "--out", in("page.html")}, "page.html"},
	} {
		a := succeed(t, append(c.args, "--quiet")...)
		if !strings.Contains(a.stdout, c.says) {
			t.Errorf("fx %s does not say %q:\n%s", strings.Join(c.args, " "), c.says, a.stdout)
		}
	}
	// A RUN that is not finished is known as such, and refused for its photos alone.
	orttest.Library(t)
	data := twoClasses(in("photos"))
	a := fx(t, append(training(data, in("unfinished")), "--resume")...)
	if a.code != 2 || !strings.Contains(a.stderr, "can't be resumed with other settings") ||
		!strings.Contains(a.stderr, "names and sizes of the photos") {
		t.Errorf("going on: exit code %d\n%s", a.code, a.stderr)
	}
	exported := in("classifier.onnx")
	succeed(t, "export", "--model", in("run"), "--out", exported)
	succeed(t, "predict", "--model", in("run"), data, "--device", "cpu")
}
