package cli

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"fx/internal/ort/orttest"
)

// Names from a stranger's folder can neither move a terminal's cursor nor
// imitate a line of fx's: whatever fx prints of them is escaped.
func TestHostileNamesAreEscaped(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	classes := []string{"\x1b[31mred\x1b[0m", "blue\nfx: error: \u009b2J\u202eeulb"}
	var folders []string
	twoClasses(filepath.Join(dir, "data"))
	for _, split := range []string{"train", "val"} {
		for i, plain := range []string{"red", "blue"} {
			folder := filepath.Join(dir, "data", split, classes[i])
			if err := os.Rename(filepath.Join(dir, "data", split, plain), folder); err != nil {
				t.Skip(err) // a file system that has no such names
			}
			folders = append(folders, folder)
		}
	}
	bad := filepath.Join(folders[2], "\x1b]0;title\a\nfx: error: bad.jpg")
	for name, text := range map[string]string{bad: "no photo", filepath.Join(folders[0], "\xff\x1b.jpg"): "x",
		filepath.Join(folders[0], "a.\x1b[5m"): "x"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Skip(err)
		}
	}
	data, store, model := filepath.Join(dir, "data"), filepath.Join(dir, "store"), filepath.Join(dir, "model")
	answers := map[string]answer{}
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"extract", "--backbone", "resnet18", "--weights", "seed:0", "--resize", "64", "--crop", "64",
			"--data", data, "--out", store}},
		{0, []string{"features", "info", store}},
		{0, []string{"fit-head", "--features", store, "--out", model, "--solver", "lbfgs"}},
		{0, []string{"eval", "--model", model, "--data", data}},
		{0, []string{"eval", "--model", model, "--data", data, "--json"}},
		{0, []string{"predict", "--model", model, bad, folders[0]}},
		{0, []string{"predict", "--model", model, bad, folders[0], "--json"}},
		{0, []string{"export", "--model", model, "--out", filepath.Join(dir, "net.onnx")}},
		{0, []string{"report", model, "--out", filepath.Join(dir, "report.html")}},
		{0, []string{"quickstart", data, "--out", filepath.Join(dir, "quick")}},
		{2, []string{"\x1b[1mextract"}},
		{2, []string{"extract", "--data", "no\x1b[1m\u202efolder", "--backbone", "resnet18", "--out",
			filepath.Join(dir, "none")}},
		{2, []string{"eval", "--model", "no\nfx: model", "--data", data}},
	} {
		a := fx(t, c.args...)
		answers[c.args[0]+c.args[len(c.args)-1]] = a
		if a.code != c.code {
			t.Errorf("%q: exit code %d\n%s", c.args, a.code, a.stderr)
		}
		for _, text := range []string{a.stdout, a.stderr} {
			imitates := strings.Contains(text, "\nfx: error: bad") ||
				strings.Contains(text, "\nfx: error: \\u009b") || strings.Contains(text, "\nfx: model")
			if imitates || !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\a\u009b\u202e\r") {
				t.Errorf("%q printed %q", c.args, text)
			}
		}
	}
	for _, file := range []string{filepath.Join(dir, "report.html"), filepath.Join(dir, "quick", "report.html")} {
		if page, err := os.ReadFile(file); err != nil || strings.ContainsAny(string(page), "\x1b\a\u009b\u202e") {
			i := strings.IndexAny(string(page), "\x1b\a\u009b\u202e")
			t.Errorf("%s holds control characters of names: %q (%v)", file,
				page[max(0, i-80):min(len(page), max(0, i)+40)], err)
		}
	}
}

// Two names that are not UTF-8 look the same in JSON, and are told apart by path_bytes.
func TestJSONTellsNamesThatAreNotUTF8Apart(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	store, model := filepath.Join(dir, "store"), filepath.Join(dir, "model")
	red := filepath.Join(data, "val", "red")
	photo, err := os.ReadFile(filepath.Join(red, "0.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	odd := []string{filepath.Join(red, "caf\xe8.jpg"), filepath.Join(red, "caf\xe9.jpg")}
	for _, name := range odd {
		if err := os.WriteFile(name, photo, 0o644); err != nil {
			t.Skip(err)
		}
	}
	type named struct {
		Path      string `json:"path"`
		PathBytes string `json:"path_bytes"`
	}
	check := func(what string, list []named) {
		t.Helper()
		found := map[string]bool{}
		for _, n := range list {
			raw, err := base64.StdEncoding.DecodeString(n.PathBytes)
			if err != nil {
				t.Fatal(err)
			}
			if found[string(raw)] = true; strings.Contains(n.Path, "\ufffd") == (n.PathBytes == "") {
				t.Errorf("%s: %+v", what, n)
			}
		}
		if !found[odd[0]] || !found[odd[1]] {
			t.Errorf("%s: %+v", what, list)
		}
	}
	a := succeed(t, "extract", "--backbone", "resnet18", "--weights", "seed:0", "--resize", "64", "--crop", "64",
		"--data", data, "--out", store, "--json")
	var summary struct{ Skipped []named }
	if err := json.Unmarshal([]byte(a.stdout), &summary); err != nil {
		t.Fatal(err)
	}
	check("extract", summary.Skipped)
	succeed(t, "fit-head", "--features", store, "--out", model, "--solver", "lbfgs")
	a = succeed(t, "predict", "--model", model, red, "--json")
	var predictions []named
	if err := json.Unmarshal([]byte(a.stdout), &predictions); err != nil {
		t.Fatal(err)
	}
	check("predict", predictions)
}
