package imaging

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Values of the tag Compression.
const (
	tiffPlain        = 1
	tiffG3           = 3
	tiffG4           = 4
	tiffLZW          = 5
	tiffJPEG         = 7
	tiffDeflate      = 8
	tiffPackBits     = 32773
	tiffDeflateOlder = 32946
	tiffZstandard    = 50000
)

// tiffCompressions are the names of the values of the tag Compression.
var tiffCompressions = map[int]string{
	tiffPlain: "no compression", tiffG3: "CCITT Group 3", tiffG4: "CCITT Group 4", tiffLZW: "LZW", tiffJPEG: "JPEG",
	tiffDeflate: "Deflate", tiffDeflateOlder: "Deflate", tiffPackBits: "PackBits", tiffZstandard: "Zstandard",
	2: "CCITT run lengths", 6: "old-style JPEG", 32771: "words of 16 bits", 32809: "ThunderScan", 34676: "SGI LogLuv",
	34677: "SGI LogLuv", 34712: "JPEG 2000", 34892: "lossy JPEG", 34925: "LZMA", 50001: "WebP", 50002: "JPEG XL",
}

// Values of the tag PhotometricInterpretation.
const (
	tiffWhiteIsZero = 0
	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffPalette     = 3
	tiffInks        = 5
	tiffYCbCr       = 6
	tiffLab         = 8
)

// Values of the tag SampleFormat.
const (
	tiffUnsigned = 1
	tiffSigned   = 2
	tiffFloat    = 3
)

// tiffPicture is the directory of a picture that fx supports.
type tiffPicture struct {
	*tiffDirectory
	data []byte

	w, h         int
	tiled        bool
	segW, segH   int // of a tile, or of a strip
	across, down int // tiles or strips, of each plane
	planes       int // that are stored separately; 1 if a pixel's values are interleaved

	compression int
	photometric int
	format      int // of a sample
	bits        int // of a sample
	samples     int // in a pixel, including extra ones, which are ignored
	extra       []int
	fillOrder   int
	upper       int // index of the upper byte in a sample of 16 bits
	predictor   int

	convert rowConverter
	packed  uint64 // bytes of the segments that were read
}

// newTIFFPicture returns an error, with its reason, for a picture that fx does not support. It follows Pillow's
// TiffImagePlugin, _setup and OPEN_INFO; rasterReadAlone in the tests lists what fx supports beyond that.
func newTIFFPicture(t *tiffDirectory, data []byte) (*tiffPicture, error) {
	p := &tiffPicture{tiffDirectory: t, data: data, planes: 1}
	p.w, p.h = t.int(tagImageWidth, 0, 0), t.int(tagImageLength, 0, 0)
	p.compression = t.int(tagCompression, 0, tiffPlain)
	p.photometric = t.int(tagPhotometric, 0, tiffWhiteIsZero)
	p.fillOrder = t.int(tagFillOrder, 0, 1)
	p.predictor = t.int(tagPredictor, 0, 1)
	if t.order == binary.LittleEndian {
		p.upper = 1
	}
	if err := p.readSamples(); err != nil {
		return nil, err
	}
	if err := p.checkCompression(); err != nil {
		return nil, err
	}
	if err := p.readSegments(); err != nil {
		return nil, err
	}
	if err := p.chooseConverter(); err != nil {
		return nil, err
	}
	if p.planes > 1 && p.compression == tiffPlain && p.bits != 8 {
		return nil, p.unsupported("uncompressed separate planes, which Pillow takes to be of 8 bits,")
	}
	return p, nil
}

// unsupported returns the error for a picture with the unsupported feature what.
func (p *tiffPicture) unsupported(what string, values ...any) error {
	return fmt.Errorf("TIFF with "+what+" is not read: save it as PNG", values...)
}

// sampleList describes the samples of a pixel, such as "4 samples of 16 bits (big-endian, extra [2])".
func (p *tiffPicture) sampleList() string {
	plural := "s"
	if p.samples == 1 {
		plural = ""
	}
	text := fmt.Sprintf("%d sample%s of %d bits", p.samples, plural, p.bits)
	var more []string
	switch p.format {
	case tiffUnsigned:
	case tiffSigned:
		more = append(more, "signed")
	case tiffFloat:
		more = append(more, "float")
	default:
		more = append(more, fmt.Sprint("format ", p.format))
	}
	if p.photometric == tiffWhiteIsZero {
		more = append(more, "white is zero")
	}
	if p.order == binary.BigEndian && p.bits > 8 {
		more = append(more, "big-endian")
	}
	if len(p.extra) > 0 {
		more = append(more, fmt.Sprint("extra ", p.extra))
	}
	if len(more) == 0 {
		return text
	}
	return text + " (" + strings.Join(more, ", ") + ")"
}

// maxTIFFSamples is the largest number of samples a pixel that Pillow reads.
const maxTIFFSamples = 6

// readSamples reads the samples of a pixel.
func (p *tiffPicture) readSamples() error {
	p.samples = p.int(tagSamplesPerPixel, 0, 1)
	n := max(1, min(p.count(tagBitsPerSample), maxTIFFSamples+1))
	for i := range min(p.count(tagExtraSamples), maxTIFFSamples+1) {
		p.extra = append(p.extra, p.int(tagExtraSamples, i, 0))
	}
	planar := p.int(tagPlanarConfig, 0, 1)
	if planar != 1 && planar != 2 && p.compression != tiffPlain {
		return fmt.Errorf("damaged TIFF: planar configuration %d", planar)
	}
	separate := planar == 2
	if separate && len(p.extra) > 0 && slices.Max(p.extra) == 0 {
		// Unspecified planes at the end may be ignored.
		n, p.samples = n-len(p.extra), p.samples-len(p.extra)
		p.extra = nil
	}
	if p.samples < 1 || p.samples > maxTIFFSamples {
		return p.unsupported("%d samples a pixel", p.samples)
	}
	if n != 1 && n < p.samples {
		return fmt.Errorf("damaged TIFF: %d samples a pixel, and the bits of %d", p.samples, n)
	}
	p.bits = p.int(tagBitsPerSample, 0, 1)
	for i := range min(n, p.samples) {
		if b := p.int(tagBitsPerSample, i, 1); b != p.bits {
			return p.unsupported("samples of %d and of %d bits", p.bits, b)
		}
	}
	p.format = p.int(tagSampleFormat, 0, tiffUnsigned)
	for i := range min(p.count(tagSampleFormat), maxTIFFSamples+1) {
		if p.int(tagSampleFormat, i, 0) != p.format {
			return p.unsupported("samples of two formats")
		}
	}
	if separate {
		p.planes = min(p.samples, 4) // Pillow's modes have at most 4
	}
	return nil
}

// checkCompression refuses compressions that are not supported for the picture's samples.
func (p *tiffPicture) checkCompression() error {
	name, known := tiffCompressions[p.compression]
	if !known {
		return p.unsupported("compression %d", p.compression)
	}
	if p.odd && p.compression != tiffPlain {
		return fmt.Errorf("damaged TIFF: its magic number has the wrong byte order, and it is compressed (%s)", name)
	}
	wide := p.format == tiffFloat || p.format == tiffSigned && p.bits > 8
	if wide && p.order == binary.BigEndian && p.compression != tiffPlain {
		return p.unsupported("compressed big-endian values with a sign, whose bytes Pillow swaps,")
	}
	switch p.compression {
	case tiffPlain, tiffPackBits:
		p.predictor = 1 // has no effect
		return nil
	case tiffG3, tiffG4:
		p.predictor = 1
		if p.bits != 1 || p.samples != 1 {
			return fmt.Errorf("damaged TIFF: %s of other than one bit a pixel", name)
		}
		if p.compression == tiffG3 && p.uint(tagT4Options, 0, 0)&1 != 0 {
			return p.unsupported("two-dimensional CCITT Group 3 compression")
		}
		return nil
	case tiffJPEG:
		p.predictor = 1
		if p.bits != 8 {
			return p.unsupported("JPEG of %d bits a sample", p.bits)
		}
		return nil
	case tiffLZW, tiffDeflate, tiffDeflateOlder, tiffZstandard:
	default:
		return p.unsupported("%s compression", name)
	}
	if p.predictor == 2 && !slices.Contains([]int{8, 16, 32}, p.bits) ||
		p.predictor == 3 && (p.format != tiffFloat || p.bits != 32) || p.predictor > 3 {
		return fmt.Errorf("damaged TIFF: predictor %d for %s", p.predictor, p.sampleList())
	}
	return nil
}

// readSegments reads how the picture is divided into segments.
func (p *tiffPicture) readSegments() error {
	if p.w < 1 || p.h < 1 {
		return fmt.Errorf("damaged TIFF: %d×%d pixels", p.w, p.h)
	}
	p.tiled = p.has(tagTileOffsets) && !(p.compression == tiffPlain && p.has(tagStripOffsets))
	if p.tiled {
		p.segW, p.segH = p.int(tagTileWidth, 0, 0), p.int(tagTileLength, 0, 0)
	} else {
		p.segW, p.segH = p.w, min(p.int(tagRowsPerStrip, 0, p.h), p.h)
	}
	if p.segW < 1 || p.segH < 1 {
		return errors.New("damaged TIFF: tiles or strips without pixels")
	}
	p.across, p.down = (p.w+p.segW-1)/p.segW, (p.h+p.segH-1)/p.segH
	return nil
}

// rowBytes returns the size of a segment's row.
func (p *tiffPicture) rowBytes() int {
	samples := p.samples
	if p.planes > 1 {
		samples = 1
	}
	return (p.segW*samples*p.bits + 7) / 8
}
