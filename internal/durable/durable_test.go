package durable_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/durable"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := durable.WriteFile(path, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 3<<20)); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the old file now holds %d bytes", len(got))
	}
	if got := names(t, dir); got != "f" {
		t.Errorf("left behind: %s", got)
	}
}

func TestRemoveStaleTakesOnlyTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"keep", "shard.fx-tmp-123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.RemoveStale(dir); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "keep" {
		t.Errorf("left: %s", got)
	}
}

func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "durable")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "manifest.json")
	err = durable.WriteFile(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "{}")
		return err
	})
	content, _ := os.ReadFile(path)
	fmt.Println(string(content), err)
	// Output: {} <nil>
}
