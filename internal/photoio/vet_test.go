//go:build unix

package photoio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/source"
)

// TestABadPhotoIsBadWhateverTheMemory reads large JPEGs within 1 MiB: one whose bytes no memory
// would help is a bad photo, a good one asks for more memory.
func TestABadPhotoIsBadWhateverTheMemory(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	// Progressive, and 4000×4000 pixels by its header.
	whole := b.Bytes()
	large := bytes.Clone(whole)
	sof := bytes.Index(large, []byte{0xFF, 0xC0})
	large[sof+1] = 0xC2 // progressive
	binary.BigEndian.PutUint16(large[sof+5:], 4000)
	binary.BigEndian.PutUint16(large[sof+7:], 4000)
	sos := bytes.Index(large, []byte{0xFF, 0xDA})
	scan := large[sos : len(large)-2]
	many := append(append(bytes.Clone(large[:len(large)-2]), bytes.Repeat(scan, 400)...), 0xFF, 0xD9)
	r := newReader(t, Options{Memory: 1 << 20})
	var bad *Unusable
	for want, content := range map[string][]byte{"more than 100 scans": many, "truncated": large[:len(large)-2]} {
		if _, err := r.Read(t.Context(), source.File(write(t, content))); !errors.As(err, &bad) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := r.Read(t.Context(), source.File(write(t, large)))
	if errors.As(err, &bad) || fail.KindOf(err) != fail.Rejected {
		t.Errorf("a good one: %v", err)
	}
}
