//go:build unix

package imaging

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"fx/internal/random"
)

// guarded returns n bytes between two pages that may not be touched: right
// before the upper one, or right behind the lower one.
func guarded(t *testing.T, n int, atEnd bool) []uint8 {
	t.Helper()
	page := os.Getpagesize()
	middle := (n + page - 1) / page * page
	all, err := unix.Mmap(-1, 0, middle+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(all) })
	for _, fence := range [][]uint8{all[:page], all[page+middle:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	from := page
	if atEnd {
		from += middle - n
	}
	return all[from : from+n : from+n]
}

// TestResampleStaysInside resizes between memory that may not be touched: to
// read or write a byte too many ends the test at once.
func TestResampleStaysInside(t *testing.T) {
	s := random.New(7, "inside")
	for i := range 60 {
		w, h := 1+s.IntN(60), 1+s.IntN(60)
		x, y := axis{size: 1 + s.IntN(60)}, axis{size: 1 + s.IntN(60)}
		x.count, y.count = x.size, y.size
		for _, r := range resamplers() {
			pix := guarded(t, 3*w*h, i%2 == 0)
			dst := guarded(t, 3*x.size*y.size, i%2 == 0)
			view{pix: pix, w: w, h: h, stride: 3 * w}.resample(dst, 3*x.size, x, y, bicubic, new(scratch), r)
		}
	}
}
