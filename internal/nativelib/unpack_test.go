package nativelib

import (
	"archive/zip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type entry struct {
	name string
	data []byte
	mode fs.FileMode
}

func writeWheel(t testing.TB, path string, entries ...entry) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(f)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnpackRefusesWhatLeavesItsFolder(t *testing.T) {
	for name, e := range map[string]entry{
		"a path upwards":         {"nvidia/../../evil.so", []byte("x"), 0o755},
		"a path that is unclean": {"nvidia/./lib/a.so", []byte("x"), 0o755},
		"a backslash":            {`nvidia/..\..\a.so`, []byte("x"), 0o755},
		"a link":                 {"nvidia/lib/a.so", []byte("/etc/passwd"), 0o777 | fs.ModeSymlink},
		"a device":               {"nvidia/lib/a.so", nil, 0o644 | fs.ModeDevice},
	} {
		dir := t.TempDir()
		wheel := filepath.Join(dir, "w.whl")
		writeWheel(t, wheel, e)
		inside := filepath.Join(dir, "in", "side")
		err := unpackZip(t.Context(), wheel, "w.whl", inside, &notes{})
		if err == nil || !strings.Contains(err.Error(), "not a regular file inside it") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "in")); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

// A wheel whose directory lies about a size or a checksum is refused.
func TestUnpackChecksSizeAndSum(t *testing.T) {
	dir := t.TempDir()
	wheel := filepath.Join(dir, "w.whl")
	content := []byte(strings.Repeat("library", 100))
	writeWheel(t, wheel, entry{"nvidia/lib/a.so", content, 0o755})
	text, err := os.ReadFile(wheel)
	if err != nil {
		t.Fatal(err)
	}
	central := strings.LastIndex(string(text), "PK\x01\x02")
	for name, at := range map[string]int{"sum": central + 16, "size": central + 24} {
		broken := append([]byte(nil), text...)
		broken[at] ^= 1
		if err := os.WriteFile(wheel, broken, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unpackZip(t.Context(), wheel, "w.whl", filepath.Join(dir, name), &notes{}); err == nil {
			t.Errorf("a wrong %s was accepted", name)
		}
	}
	if err := os.WriteFile(wheel, text[:len(text)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unpackZip(t.Context(), wheel, "w.whl", filepath.Join(dir, "half"), &notes{}); err == nil {
		t.Error("half a wheel was accepted")
	}
	if err := os.WriteFile(wheel, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unpackZip(t.Context(), wheel, "w.whl", filepath.Join(dir, "whole"), &notes{}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = unpackZip(ctx, wheel, "w.whl", filepath.Join(dir, "canceled"), &notes{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// uv leaves packages unpacked, perhaps as links into its own cache.
func TestTakeUnpacked(t *testing.T) {
	site, dir := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		"onnxruntime/capi/libonnxruntime.so.1.31.1": "library", "onnxruntime/capi/other.py": "python",
		"nvidia/cudnn/lib/libcudnn.so.9": "cudnn", "numpy/core.so": "numpy",
	} {
		path := filepath.Join(site, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := takeUnpacked(t.Context(), site, dir); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); got != "libonnxruntime.so.1.31.1 nvidia" {
		t.Errorf("took %s", got)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "nvidia/cudnn/lib/libcudnn.so.9")); string(text) != "cudnn" {
		t.Errorf("cuDNN is %q", text)
	}
}

func TestARecordThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{": "unexpected end", `{"format_version": 2}`: "has format 2, but this fx reads 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, recordName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readRecord(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", text, err)
		}
	}
	r := record{Files: []recordedFile{{Name: "../x"}}}
	if err := r.verify(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "../x") {
		t.Errorf("a record that points outside: %v", err)
	}
}
