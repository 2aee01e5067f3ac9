package photoio

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/imaging"
	"fx/internal/source"
)

// A photo whose decoding does not end in time is Unusable, and the next one is read while it is still being decoded.
// Its memory is free only when it ends.
func TestTimeout(t *testing.T) {
	d, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.ppm")
	if err := os.WriteFile(path, append([]byte("P6 8 8 255\n"), make([]byte, 3*8*8)...), 0o644); err != nil {
		t.Fatal(err)
	}
	r := NewReader(d, Options{Hash: true, Timeout: 50 * time.Millisecond})
	decode, started, end, ended := r.decode, make(chan struct{}), make(chan struct{}), make(chan struct{})
	r.decode = func(im *imaging.Image, data []byte) error {
		close(started)
		<-end
		defer close(ended)
		return decode(im, data)
	}
	_, err = r.Read(t.Context(), source.File(path))
	var bad *Unusable
	if !errors.As(err, &bad) || !strings.Contains(bad.Error(), "takes longer than 50ms") || bad.File != (File{}) {
		t.Fatalf("%v", err)
	}
	<-started
	used := func() int64 {
		r.budget.mutex.Lock()
		defer r.budget.mutex.Unlock()
		return r.budget.used
	}
	if used() == 0 {
		t.Error("the memory of a photo that is being decoded counts as free")
	}
	r.decode = decode
	r.timeout = time.Minute
	photo, err := r.Read(t.Context(), source.File(path))
	if err != nil || photo.W != 8 {
		t.Fatalf("the next photo: %v", err)
	}
	photo.Release()
	close(end)
	<-ended
	for range 1000 {
		if used() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d bytes stay in use", used())
}

// The content of an unusable photo is reported if it is at fault.
func TestUnusableContent(t *testing.T) {
	d, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"cut.ppm": "P6 8 8 255\nxyz", "text.jpg": "no photo", "empty.jpg": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(d, Options{Hash: true})
	for name, want := range map[string]struct{ stat, hash bool }{
		"cut.ppm": {true, true}, "text.jpg": {true, false}, "empty.jpg": {true, false}, "none.jpg": {}, ".": {},
	} {
		_, err := r.Read(t.Context(), source.File(filepath.Join(dir, name)))
		var bad *Unusable
		if !errors.As(err, &bad) || bad.File.ModTime.IsZero() == want.stat ||
			(bad.File.SHA256 != File{}.SHA256) != want.hash {
			t.Errorf("%s: %+v, %v", name, bad, err)
		}
	}
}
