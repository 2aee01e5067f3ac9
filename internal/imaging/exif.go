package imaging

import (
	"bytes"
	"encoding/binary"
)

// orientationOf returns the orientation, 1–8, in the first directory of TIFF data (tag 274, EXIF 2.32, 4.6.4 A), or 0.
// EXIF data in JPEG, PNG and WebP has this form, and so does a TIFF file.
func orientationOf(tiff []byte) int {
	tiff = bytes.TrimPrefix(tiff, []byte("Exif\x00\x00"))
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		const tagOrientation, typeShort = 274, 3
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if v := order.Uint16(entries[8:]); 1 <= v && v <= 8 {
				return int(v)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// orient rotates and mirrors im as the EXIF orientation requires, like Pillow's ImageOps.exif_transpose. Values
// outside 2–8 change nothing.
func (im *Image) orient(orientation int) {
	if orientation < 2 || orientation > 8 {
		return
	}
	// Row 0 and column 0 of the stored image are, for the values 1 to 8: top left, top right, bottom right, bottom
	// left, left top, right top, right bottom, left bottom.
	w, h := im.W, im.H
	first, right, down := 0, 3, 3*w // where output pixel 0 is stored, and the steps to its neighbours
	switch orientation {
	case 2:
		first, right = 3*(w-1), -3
	case 3:
		first, right, down = 3*(w*h-1), -3, -3*w
	case 4:
		first, down = 3*w*(h-1), -3*w
	case 5:
		right, down = 3*w, 3
	case 6:
		first, right, down = 3*w*(h-1), -3*w, 3
	case 7:
		first, right, down = 3*(w*h-1), -3*w, -3
	case 8:
		first, right, down = 3*(w-1), 3*w, -3
	}
	if orientation >= 5 {
		w, h = h, w
	}
	out := make([]uint8, 3*w*h)
	for y := range h {
		at := first + y*down
		row := out[3*y*w:][:3*w]
		for x := 0; x < len(row); x += 3 {
			copy(row[x:x+3], im.Pix[at:at+3])
			at += right
		}
	}
	im.W, im.H, im.Pix = w, h, out
}
