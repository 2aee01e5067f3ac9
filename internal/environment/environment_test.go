package environment_test

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/source"
)

func TestWorkers(t *testing.T) {
	for workers, want := range map[int]int{0: runtime.GOMAXPROCS(0), 1: 1, 1024: 1024} {
		e := environment.Environment{Workers: workers}
		if err := e.Check(); err != nil || e.WorkerCount() != want {
			t.Errorf("%d workers: %d, %v", workers, e.WorkerCount(), err)
		}
	}
	for _, workers := range []int{-1, 1025} {
		if err := (environment.Environment{Workers: workers}).Check(); fail.KindOf(err) != fail.Usage {
			t.Errorf("%d workers: %v", workers, err)
		}
	}
}

// A Reader has the limit of the Environment and the other options of its caller.
func TestReader(t *testing.T) {
	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 100, 100))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "photo.png")
	if err := os.WriteFile(path, photo.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(memory int64) (*photoio.Photo, error) {
		e := environment.Environment{DecodeMemory: memory}
		d, err := e.NewDecoder(imaging.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return e.NewReader(d, photoio.Options{Hash: true}).Read(t.Context(), source.File(path))
	}
	if _, err := read(1000); fail.KindOf(err) != fail.Rejected {
		t.Errorf("with 1000 bytes: %v", err)
	}
	p, err := read(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	if p.File.SHA256 == [32]byte{} {
		t.Error("no hash")
	}
}
