package imaging

import (
	"bytes"
	"errors"
	"fmt"

	"fx/internal/fail"
)

// defaultMaxPixels is the default of Options.MaxPixels, twice Pillow's Image.MAX_IMAGE_PIXELS.
const defaultMaxPixels = 2 * 89_478_485

// Options of a Decoder. The zero value decodes as torchvision does.
type Options struct {
	// Decoder is the decoder of JPEG: "turbojpeg", "go", or "auto" (also ""), which is TurboJPEG if it is found.
	Decoder string
	// EXIF is the handling of the orientation in EXIF data: "ignore" (also ""), as torchvision does, or "apply".
	EXIF string
	// MaxPixels is the largest number of pixels that a file may declare; 0 means 178,956,970, above which Pillow
	// refuses an image as a decompression bomb.
	MaxPixels int64
	// FastDecode decodes a large JPEG at a fraction of its size, see Decoder.For. It needs TurboJPEG. The pixels
	// differ from those of a full decode.
	FastDecode bool
}

// Decoder decodes photos. It is safe for concurrent use.
type Decoder struct {
	turbo     *turboJPEG // nil: Go's image/jpeg
	why       string     // turbo is nil
	apply     bool       // apply the EXIF orientation
	maxPixels int64
	fast      bool
	side      int // fast: the size that photos will be resized to, 0 if unknown
}

// NewDecoder returns a Decoder. The error is of kind fail.Usage for an invalid option, and fail.Device if the
// requested decoder is missing.
func NewDecoder(o Options) (*Decoder, error) {
	d := &Decoder{maxPixels: o.MaxPixels, fast: o.FastDecode}
	if d.maxPixels == 0 {
		d.maxPixels = defaultMaxPixels
	}
	if d.maxPixels < 0 {
		return nil, fail.New(fail.Usage, "Give a number of pixels, or 0 for the default.",
			"largest image of %d pixels", d.maxPixels)
	}
	switch o.EXIF {
	case "", "ignore":
	case "apply":
		d.apply = true
	default:
		return nil, fail.New(fail.Usage, "Use ignore or apply.", "unknown EXIF handling %q", o.EXIF)
	}
	if o.FastDecode && o.Decoder == "go" {
		return nil, fail.New(fail.Usage, fastHint, "fast decoding with --decoder go, which has no smaller scales")
	}
	switch o.Decoder {
	case "go":
		d.why = "asked for"
		return d, nil
	case "", "auto", "turbojpeg":
	default:
		return nil, fail.New(fail.Usage, "Use auto, turbojpeg or go.", "unknown JPEG decoder %q", o.Decoder)
	}
	turbo, err := loadTurboJPEG()
	if err == nil {
		d.turbo = turbo
		return d, nil
	}
	// A library that the user named must work. A missing one is an error only if it was requested.
	if o.Decoder == "turbojpeg" || !errors.Is(err, errNoTurboJPEG) {
		return nil, err
	}
	if o.FastDecode {
		return nil, fail.Wrap(fail.Device, err, turboInstall+". "+fastHint, "fast decoding")
	}
	d.why = err.Error()
	return d, nil
}

// fastHint is the hint of errors about fast decoding, which the flag or a MODEL may require.
const fastHint = "Only TurboJPEG decodes at a smaller scale: features extracted with --fast-decode, and models " +
	"trained on them, need it."

// For returns the decoder for photos whose shorter side, or both sides, will be resized to side pixels: Spec.Resize of
// either preprocess.Mode. It is d unless d decodes fast: then a JPEG is decoded at the smallest of 1/2, 1/4 and 1/8 of
// its size at which both sides have at least side pixels, or fully. This is the rule of Pillow's
// Image.draft((side, side)), with the same pixels.
func (d *Decoder) For(side int) *Decoder {
	if !d.fast {
		return d
	}
	scaled := *d
	scaled.side = side
	return &scaled
}

// Why returns why Go's decoder is used instead of TurboJPEG, or "".
func (d *Decoder) Why() string { return d.why }

// Name returns the name of the JPEG decoder, such as "libjpeg-turbo 2.1.5 (libturbojpeg.so.0)" or "go image/jpeg".
func (d *Decoder) Name() string {
	if d.turbo != nil {
		return d.turbo.name
	}
	return "go image/jpeg"
}

// Library returns the path of the loaded TurboJPEG, or its name for the system's loader, as in TurboJPEGVariable; ""
// if Go decodes.
func (d *Decoder) Library() string {
	if d.turbo == nil {
		return ""
	}
	return d.turbo.file
}

// Exact reports whether JPEG pixels equal Pillow's value for value.
func (d *Decoder) Exact() bool { return d.turbo != nil }

// Decode returns the picture in data, with the values of Pillow's convert("RGB"): alpha is dropped, not blended. It
// refuses files that Pillow refuses, except a few BMPs and TIFFs whose pixels are unambiguous. The error is a reason
// without the file's name, which the caller adds.
func (d *Decoder) Decode(data []byte) (*Image, error) {
	im := new(Image)
	if err := d.DecodeInto(im, data); err != nil {
		return nil, err
	}
	return im, nil
}

// DecodeInto is Decode into im, whose memory it reuses. After an error im's pixels are undefined.
func (d *Decoder) DecodeInto(im *Image, data []byte) (err error) {
	f := sniff(data)
	if f == nil {
		return unknownFormat(data)
	}
	// Files are untrusted: a third-party decoder that panics on a damaged file must not end a run over a million
	// others.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged %s: %v", f.name, p)
		}
	}()
	orientation := 0
	if err := f.decode(d, im, data, &orientation); err != nil {
		return err
	}
	if err := im.check(); err != nil {
		return err
	}
	if f.orients || d.apply {
		im.orient(orientation)
	}
	return nil
}

// checkSize refuses a declared size before anything is allocated for it.
func (d *Decoder) checkSize(w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("image of %d×%d pixels", w, h)
	}
	if int64(w) > d.maxPixels/int64(h) {
		return fmt.Errorf("image of %d×%d pixels: more than the limit of %d", w, h, d.maxPixels)
	}
	return nil
}

// A format recognises and decodes one kind of file. decode checks the declared size, fills im, and sets the EXIF
// orientation if there is one.
type format struct {
	name   string
	match  func(data []byte) bool
	decode func(d *Decoder, im *Image, data []byte, orientation *int) error
	// size returns the declared size, and the bytes that decode needs besides the pixels.
	size    func(d *Decoder, data []byte) (w, h int, work int64)
	vet     func(d *Decoder, data []byte) error // for Vet, nil if nothing can be checked
	orients bool                                // Pillow always applies the orientation
	packed  bool                                // always compressed
}

var formats = []format{
	{name: "JPEG", match: prefix("\xff\xd8\xff"), decode: (*Decoder).decodeJPEG, size: (*Decoder).sizeJPEG,
		vet: (*Decoder).refuseJPEG, packed: true},
	{name: "PNG", match: prefix("\x89PNG\r\n\x1a\n"), decode: (*Decoder).decodePNG, size: (*Decoder).sizePNG},
	{name: "WebP", match: isWebP, decode: (*Decoder).decodeWebP, size: (*Decoder).sizeWebP, packed: true},
	{name: "GIF", match: prefix("GIF87a", "GIF89a"), decode: (*Decoder).decodeGIF, size: (*Decoder).sizeGIF,
		packed: true},
	{name: "BMP", match: prefix("BM"), decode: (*Decoder).decodeBMP, size: (*Decoder).sizeBMP},
	{name: "TIFF", match: isTIFF, decode: (*Decoder).decodeTIFF, size: (*Decoder).sizeTIFF, orients: true},
	{name: "PNM", match: isPNM, decode: (*Decoder).decodePNM, size: (*Decoder).sizePNM},
	{name: "HEIF", match: isHEIF, decode: (*Decoder).decodeHEIF, size: (*Decoder).sizeHEIF, packed: true},
}

func prefix(any ...string) func([]byte) bool {
	return func(data []byte) bool {
		for _, p := range any {
			if bytes.HasPrefix(data, []byte(p)) {
				return true
			}
		}
		return false
	}
}

// sniff returns the format of data, from its first bytes, or nil.
func sniff(data []byte) *format {
	for i := range formats {
		if formats[i].match(data) {
			return &formats[i]
		}
	}
	return nil
}

// unknownFormat returns why no format matched, and names formats that users often have.
func unknownFormat(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("empty file")
	case prefix("MM\x00+")(data):
		return errors.New("big-endian BigTIFF is not read: save it as a plain TIFF or PNG")
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return errors.New("a video, or a kind of HEIF that is not read: convert it to JPEG or PNG")
	}
	return errors.New("not an image: the content is none of JPEG, PNG, WebP, BMP, TIFF, GIF, PNM, HEIF, AVIF")
}
