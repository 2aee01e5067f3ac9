// Package imaging turns the bytes of a photo into the pixels that torchvision
// would give a network: Pillow's decoding and conversion to RGB, torchvision's
// resize and crop, equal value for value.
//
// The common case:
//
//	decoder, err := imaging.NewDecoder(imaging.Options{})
//	...
//	image, err := decoder.Decode(data)
//	...
//	pixels := make([]uint8, 3*spec.Crop*spec.Crop)
//	err = image.CenterView(spec, pixels)
//
// The content of a file decides how it is read, never its name: JPEG, PNG,
// WebP, BMP, TIFF, GIF (its first frame) and PNM. A Decoder and an Image may be
// used by many goroutines at once; DecodeInto reuses an Image's memory.
//
// JPEG pixels come from libjpeg-turbo's TurboJPEG library, which is loaded
// when the first Decoder is made and gives Pillow's very values. Where it is
// missing Go's own decoder takes its place: its inverse transform rounds
// otherwise, so that 3.3 % of a photo's values differ, by one level, rarely
// two or three, and it refuses damaged files that libjpeg covers up.
// Decoder.Name says which it is, Decoder.Why why it is not TurboJPEG.
//
// Options.FastDecode trades pixels for speed: large JPEGs are decoded at a
// fraction of their size, as Pillow's draft mode does.
//
// Resizing is done by vectors in C (resample.inc.h), compiled for AVX-512, AVX2
// and whatever the compiler's target has, and chosen when the process starts; the
// environment variable FX_KERNELS_ISA (avx2, generic, go) takes a narrower one. Without
// C the Go code of resample_pure.go does it. All give the same values.
//
// The reference is Pillow 13; testdata/README.md says what was measured.
package imaging
