// Package float16 converts between float32 and half precision, IEEE 754 binary16, stored as 16 bits.
package float16
