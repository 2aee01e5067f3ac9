// Package float16 converts between float32 and half precision, IEEE 754 binary16,
// held as its 16 bits:
//
//	bits := float16.Bits(0.1)
//	v := float16.Float32(bits) // 0.099975586
package float16
