// Package imaging turns the bytes of a photo into the pixels that torchvision
// would give a network: Pillow's decoding and conversion to RGB, torchvision's
// resize and crop, equal value for value.
//
// NewDecoder makes a Decoder, Decode returns an Image, and Image.CenterView returns the pixels that a network takes.
//
// The content of a file decides its format, never its name. The formats are JPEG, PNG, WebP, BMP, TIFF, GIF (its first
// frame) and PNM. A Decoder and an Image may be used by many goroutines at once; DecodeInto reuses an Image's memory.
//
// JPEG pixels come from libjpeg-turbo's TurboJPEG library, which is loaded when the first Decoder is made and gives
// exactly Pillow's values. If it is missing, Go's decoder is used instead. Its inverse transform rounds differently:
// 3.3 % of a photo's values differ, by one level, rarely two or three. It also refuses damaged files that libjpeg
// accepts. Decoder.Name returns the decoder in use, Decoder.Why the reason why it is not TurboJPEG.
//
// Options.FastDecode trades pixels for speed: large JPEGs are decoded at a
// fraction of their size, as Pillow's draft mode does.
//
// Resizing is vectorised C (resample.inc.h), compiled for AVX-512, AVX2 and the compiler's default target. The widest
// set that the processor has is chosen when the process starts; the environment variable FX_KERNELS_ISA (avx2,
// generic, go) selects a narrower one. "go" is the Go code of resample_pure.go. All give the same values.
//
// The reference is Pillow 13; testdata/README.md lists the measurements.
package imaging
