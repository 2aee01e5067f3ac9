//go:build unix

package photoio

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/machine"
	"fx/internal/source"
)

func newReader(t testing.TB, o Options) *Reader {
	t.Helper()
	d, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return NewReader(d, o)
}

func TestReader(t *testing.T) {
	content := photoOf(t, 40, 30)
	path := write(t, content)
	r := newReader(t, Options{Hash: true})
	for range 3 { // pixels are used again
		p, err := r.Read(t.Context(), source.File(path))
		if err != nil || p.W != 40 || p.H != 30 || len(p.Pix) != 3*40*30 || p.SHA256 != sha256.Sum256(content) ||
			p.Size != int64(len(content)) {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Release()
	}
	if r.budget.used != 0 {
		t.Errorf("%d bytes are used after the last photo", r.budget.used)
	}
}

func TestReaderTellsPhotosFromTheSystem(t *testing.T) {
	noPauses(t)
	r := newReader(t, Options{})
	var bad *Unusable
	for want, content := range map[string][]byte{"not an image": make([]byte, 5000),
		"unexpected EOF": photoOf(t, 40, 30)[:60]} {
		if _, err := r.Read(t.Context(), source.File(write(t, content))); !errors.As(err, &bad) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	file := source.File(write(t, photoOf(t, 4, 4)))
	full := openedBy{file, func() (source.Content, error) { return nil, syscall.EMFILE }}
	if _, err := r.Read(t.Context(), full); errors.As(err, &bad) ||
		fail.KindOf(err) != fail.System || !strings.Contains(fail.HintOf(err), "ulimit") {
		t.Errorf("%v, hint %s", err, fail.HintOf(err))
	}
	if r.budget.used != 0 {
		t.Errorf("%d bytes are used after the last photo", r.budget.used)
	}
}

func TestAPhotoThatAsksForMoreThanThereIsEndsTheRun(t *testing.T) {
	path := write(t, photoOf(t, 2000, 1000))
	var bad *Unusable
	r := newReader(t, Options{Memory: 7 << 20}) // the photo takes 6 MB of pixels and 2 of gray
	_, err := r.Read(t.Context(), source.File(path))
	if errors.As(err, &bad) || fail.KindOf(err) != fail.Rejected {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{path, "2000×1000", "7 are allowed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	_, flag, _ := strings.Cut(fail.HintOf(err), "--decode-memory ")
	mib, err := strconv.ParseInt(flag[:strings.Index(flag, "MiB")], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newReader(t, Options{Memory: mib << 20}).Read(t.Context(), source.File(path))
	if err != nil {
		t.Fatalf("with the memory that the hint names: %v", err)
	}
	p.Release()
	long := write(t, append(photoOf(t, 4, 4), make([]byte, 2<<20)...))
	small := newReader(t, Options{Memory: 1 << 20})
	if _, err := small.Read(t.Context(), source.File(long)); fail.KindOf(err) != fail.Rejected {
		t.Errorf("a file that alone is larger: %v", err)
	}
}

// A picture of one colour is a few KB long, and takes 11 bytes for each of its pixels.
func TestManyBombsAtOnceStayWithinTheBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes large pictures")
	}
	const side, photos, workers = 1500, 16, 4
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA64(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	path := write(t, b.Bytes())
	one := int64(11 * side * side)
	read := func(memory int64) int64 {
		r := newReader(t, Options{Memory: memory})
		took, ok := machine.PeakDuring(func() {
			next := make(chan bool, photos)
			for range photos {
				next <- true
			}
			close(next)
			var group sync.WaitGroup
			for range workers {
				group.Go(func() {
					for range next {
						p, err := r.Read(t.Context(), source.File(path))
						if err != nil {
							t.Error(err)
							return
						}
						p.Release()
					}
				})
			}
			group.Wait()
		})
		if !ok {
			t.Skip("the system does not tell")
		}
		return took
	}
	for _, memory := range []int64{one + one/4, 3*one + one/4} {
		// On a busy machine the collector may find a picture that was just decoded in a preempted goroutine's
		// registers, and keep it until the next time. That does not happen three times in a row.
		took := read(memory)
		for range 2 {
			took = min(took, read(memory))
		}
		if took > memory+one/4 {
			t.Errorf("%d bytes were held at once within a budget of %d", took, memory)
		}
	}
}

// A photo that another machine reads is not remembered as bad.
func TestAMissingLibraryIsNotTheContentsFault(t *testing.T) {
	r := newReader(t, Options{Hash: true})
	file := source.File(write(t, photoOf(t, 4, 4)))
	for _, c := range []struct {
		err  error
		size int64
	}{{fmt.Errorf("HEIF: %w", imaging.ErrNoLibrary), 0}, {errors.New("damaged"), int64(len(photoOf(t, 4, 4)))}} {
		r.decode = func(*imaging.Image, []byte) error { return c.err }
		var bad *Unusable
		if _, err := r.Read(t.Context(), file); !errors.As(err, &bad) || bad.File.Size != c.size {
			t.Errorf("%v: %+v", c.err, bad)
		}
	}
}
