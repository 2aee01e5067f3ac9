package chart

import (
	"bytes"
	"image"
	"image/png"
	"testing"
)

// Decoders check the checksum of every chunk.
func TestPicturesSayThatFxDrewThem(t *testing.T) {
	var b bytes.Buffer
	if err := encodePNG(&b, image.NewRGBA(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b.Bytes(), []byte("tEXtSoftware\x00fx")) {
		t.Errorf("%q", b.Bytes())
	}
	if picture, err := png.Decode(&b); err != nil || picture.Bounds().Dx() != 3 {
		t.Errorf("%v, %v", picture, err)
	}
}
