package imaging

import (
	"bytes"
	"errors"
	"fmt"

	"fx/internal/fail"
)

// DefaultMaxPixels is the largest image that is decoded unless
// Options.MaxPixels says otherwise: the size from which on Pillow refuses an
// image as a decompression bomb.
const DefaultMaxPixels = 2 * 89_478_485

// Options says how photos are decoded. The zero value decodes as torchvision does.
type Options struct {
	// Decoder reads JPEG: "turbojpeg", "go", or "auto" (also ""), which takes
	// TurboJPEG where it is found.
	Decoder string
	// EXIF says what is done with the orientation that a camera wrote down:
	// "ignore" (also ""), as torchvision does, or "apply".
	EXIF string
	// MaxPixels bounds the size that a file may declare, in pixels; 0 means DefaultMaxPixels.
	MaxPixels int64
	// FastDecode decodes a JPEG that is far larger than what it will be resized
	// to at a fraction of its size, see Decoder.For. It needs TurboJPEG. The pixels are
	// not those of a photo decoded whole.
	FastDecode bool
}

// Decoder decodes photos. It is safe for concurrent use.
type Decoder struct {
	turbo     *turboJPEG // nil: Go's image/jpeg
	why       string     // turbo is nil
	apply     bool       // honour the EXIF orientation
	maxPixels int64
	fast      bool
	side      int // fast: what photos will be resized to, 0 where unknown
}

// NewDecoder returns a Decoder. The error is a fail.Usage where an option has
// no such value, and a fail.Device where the decoder asked for is not there.
func NewDecoder(o Options) (*Decoder, error) {
	d := &Decoder{maxPixels: o.MaxPixels, fast: o.FastDecode}
	if d.maxPixels == 0 {
		d.maxPixels = DefaultMaxPixels
	}
	if d.maxPixels < 0 {
		return nil, fail.New(fail.Usage, "Give a number of pixels, or 0 for the default.", "largest image of %d pixels", d.maxPixels)
	}
	switch o.EXIF {
	case "", "ignore":
	case "apply":
		d.apply = true
	default:
		return nil, fail.New(fail.Usage, "Take ignore or apply.", "unknown EXIF handling %q", o.EXIF)
	}
	if o.FastDecode && o.Decoder == "go" {
		return nil, fail.New(fail.Usage, fastHint, "fast decoding with --decoder go, which knows no smaller scale")
	}
	switch o.Decoder {
	case "go":
		d.why = "asked for"
		return d, nil
	case "", "auto", "turbojpeg":
	default:
		return nil, fail.New(fail.Usage, "Take auto, turbojpeg or go.", "unknown JPEG decoder %q", o.Decoder)
	}
	turbo, err := loadTurboJPEG()
	if err == nil {
		d.turbo = turbo
		return d, nil
	}
	// A library that the user named must work; that none is found is an error
	// only where it was asked for.
	if o.Decoder == "turbojpeg" || !errors.Is(err, errNoTurboJPEG) {
		return nil, err
	}
	if o.FastDecode {
		return nil, fail.Wrap(fail.Device, err, "Run `fx runtime install`. "+fastHint, "fast decoding")
	}
	d.why = err.Error()
	return d, nil
}

// fastHint follows errors about fast decoding. A MODEL may ask for it as well as the flag.
const fastHint = "Only TurboJPEG decodes at a smaller scale: features extracted with --fast-decode, and models trained on them, need it."

// For returns the decoder for photos that will be resized until their shorter
// side has so many pixels. It is d itself unless d decodes fast: then a JPEG
// is decoded at the smallest of 1/2, 1/4 and 1/8 that leaves both its sides at
// least so long, or whole. That is the rule of Pillow's Image.draft((side, side)),
// and the pixels are those that Pillow gives then.
func (d *Decoder) For(side int) *Decoder {
	if !d.fast {
		return d
	}
	scaled := *d
	scaled.side = side
	return &scaled
}

// Why says why Go's decoder is used instead of TurboJPEG, or "".
func (d *Decoder) Why() string { return d.why }

// Name says what decodes JPEG, such as "libjpeg-turbo 2.1.5 (libturbojpeg.so.0)" or "go image/jpeg".
func (d *Decoder) Name() string {
	if d.turbo != nil {
		return d.turbo.name
	}
	return "go image/jpeg"
}

// Library returns what TurboJPEG was loaded from, a path or a name that the
// system's loader knows, as TurboJPEGVariable takes it; "" where Go decodes.
func (d *Decoder) Library() string {
	if d.turbo == nil {
		return ""
	}
	return d.turbo.file
}

// Exact reports whether JPEG pixels equal Pillow's value for value.
func (d *Decoder) Exact() bool { return d.turbo != nil }

// Decode returns the picture that data holds, in the values of Pillow's
// convert("RGB"): alpha is dropped, not blended. A file that Pillow refuses is
// refused, but for a few BMPs and TIFFs whose pixels are beyond doubt. The error
// is a plain reason without the file's name, which the caller knows.
func (d *Decoder) Decode(data []byte) (*Image, error) {
	im := new(Image)
	if err := d.DecodeInto(im, data); err != nil {
		return nil, err
	}
	return im, nil
}

// DecodeInto is Decode into im, whose memory it reuses. After an error im's pixels mean nothing.
func (d *Decoder) DecodeInto(im *Image, data []byte) (err error) {
	f := sniff(data)
	if f == nil {
		return unknownFormat(data)
	}
	// The decoders of other authors are fed with files from anywhere; one of
	// them that panics on a damaged file must not end a run over a million others.
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
		return fmt.Errorf("image of %d×%d pixels: more than the %d that are decoded at most", w, h, d.maxPixels)
	}
	return nil
}

// A format knows how to recognise and decode one kind of file. The decode
// function checks the declared size, fills im, and notes the EXIF orientation
// where there is one.
type format struct {
	name   string
	match  func(data []byte) bool
	decode func(d *Decoder, im *Image, data []byte, orientation *int) error
	// size returns what the file declares, and the bytes that decode takes beside the pixels.
	size    func(d *Decoder, data []byte) (w, h int, work int64)
	vet     func(d *Decoder, data []byte) error // for Vet, nil where there is nothing to find
	orients bool                                // Pillow applies the orientation by itself
	packed  bool                                // always compressed
}

var formats = []format{
	{name: "JPEG", match: prefix("\xff\xd8\xff"), decode: (*Decoder).decodeJPEG, size: (*Decoder).sizeJPEG, vet: (*Decoder).refuseJPEG, packed: true},
	{name: "PNG", match: prefix("\x89PNG\r\n\x1a\n"), decode: (*Decoder).decodePNG, size: (*Decoder).sizePNG},
	{name: "WebP", match: isWebP, decode: (*Decoder).decodeWebP, size: (*Decoder).sizeWebP, packed: true},
	{name: "GIF", match: prefix("GIF87a", "GIF89a"), decode: (*Decoder).decodeGIF, size: (*Decoder).sizeGIF, packed: true},
	{name: "BMP", match: prefix("BM"), decode: (*Decoder).decodeBMP, size: (*Decoder).sizeBMP},
	{name: "TIFF", match: isTIFF, decode: (*Decoder).decodeTIFF, size: (*Decoder).sizeTIFF, orients: true},
	{name: "PNM", match: isPNM, decode: (*Decoder).decodePNM, size: (*Decoder).sizePNM},
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

// sniff returns the format of data by its first bytes, or nil.
func sniff(data []byte) *format {
	for i := range formats {
		if formats[i].match(data) {
			return &formats[i]
		}
	}
	return nil
}

// unknownFormat says why no format matched, naming what users meet.
func unknownFormat(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("empty file")
	case prefix("MM\x00+")(data):
		return errors.New("big-endian BigTIFF is not read: save it as a plain TIFF or PNG")
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return errors.New("HEIF, AVIF or video is not read: convert it to JPEG or PNG")
	}
	return errors.New("not an image: the content is none of JPEG, PNG, WebP, BMP, TIFF, GIF, PNM")
}
