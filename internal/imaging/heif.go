package imaging

import (
	"errors"
	"fmt"
	"slices"
)

// heifBrands are the brands of files that libheif reads: HEVC and AV1 stills, and the collections of the standard
// (ISO/IEC 23008-12, 10.2; AV1 Image File Format, 6).
var heifBrands = []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "mif2", "msf1", "avif", "avis"}

// isHEIF reports whether data begins as a HEIF file: a box ftyp whose major or compatible brands are among heifBrands.
func isHEIF(data []byte) bool {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return false
	}
	length := int(data[2])<<8 | int(data[3]) // of the box; files begin with a short one
	if slices.Contains(heifBrands, string(data[8:12])) {
		return true
	}
	for at := 16; at+4 <= min(length, len(data)); at += 4 {
		if slices.Contains(heifBrands, string(data[at:at+4])) {
			return true
		}
	}
	return false
}

// HEIF returns the name of the library that reads HEIF and AVIF, with its version, or "" if it is missing.
func HEIF() string {
	library, err := heifLibrary()
	if err != nil {
		return ""
	}
	return "libheif " + library.version
}

// ErrNoLibrary is in the chain of Decode's error for a photo that another machine, with a library of the system, reads.
var ErrNoLibrary = errors.New("this system lacks a library")

// needsHEIF is the reason for a photo that can't be read without the library.
func needsHEIF(err error) error {
	return fmt.Errorf("HEIF and AVIF are read with libheif, which is missing: install libheif1 (Debian, Ubuntu) or "+
		"libheif (other systems), set %s to it, or convert the photo to JPEG or PNG (%w: %w)", HEIFVariable,
		ErrNoLibrary, err)
}

// decodeHEIF reads the primary picture, rotated and mirrored as the file says: libheif's pixels, 8 bits each. What EXIF
// data says of the orientation is about the stored pixels and does not count, as in pillow-heif.
func (d *Decoder) decodeHEIF(im *Image, data []byte, _ *int) error {
	library, err := heifLibrary()
	if err != nil {
		return needsHEIF(err)
	}
	w, h, err := library.size(data)
	if err != nil {
		return fmt.Errorf("damaged HEIF: %w", err)
	}
	if err := d.checkSize(w, h); err != nil {
		return err
	}
	im.reset(w, h)
	if err := library.decode(data, im.Pix, w, h); err != nil {
		return fmt.Errorf("damaged HEIF: %w", err)
	}
	return nil
}

// sizeHEIF counts libheif's planes, of up to 16 bits in up to three of full size, and its pixels.
func (d *Decoder) sizeHEIF(data []byte) (w, h int, work int64) {
	library, err := heifLibrary()
	if err != nil {
		return 0, 0, 0
	}
	if w, h, err = library.size(data); err != nil {
		return 0, 0, 0
	}
	return w, h, (2*3 + 3) * int64(w) * int64(h)
}
