package kernels

/*
#include "kernels.h"

// Go can't call pointers to functions.
static void fx_pack_f32(const fx_isa *i, float *to, const float *b, int64_t pitch, int64_t k, int64_t columns,
	int transposed) {
  (transposed ? i->pack_transposed_f32 : i->pack_f32)(to, b, pitch, k, columns);
}
static void fx_pack_f64(const fx_isa *i, double *to, const double *b, int64_t pitch, int64_t k, int64_t columns,
	int transposed) {
  (transposed ? i->pack_transposed_f64 : i->pack_f64)(to, b, pitch, k, columns);
}
static void fx_multiply_f32(const fx_isa *i, float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows,
	int64_t k, const float *b, int64_t columns, int add) {
  i->multiply_f32(c, c_pitch, a, a_pitch, rows, k, b, columns, add);
}
static void fx_multiply_f64(const fx_isa *i, double *c, int64_t c_pitch, const double *a, int64_t a_pitch,
	int64_t rows, int64_t k, const double *b, int64_t columns, int add) {
  i->multiply_f64(c, c_pitch, a, a_pitch, rows, k, b, columns, add);
}
static void fx_dots_f32(const fx_isa *i, float *c, int64_t c_pitch, const float *a, int64_t a_pitch, int64_t rows,
	int64_t k, const float *b, int64_t b_pitch, int64_t columns) {
  i->dots_f32(c, c_pitch, a, a_pitch, rows, k, b, b_pitch, columns);
}
static void fx_dots_f64(const fx_isa *i, double *c, int64_t c_pitch, const double *a, int64_t a_pitch, int64_t rows,
	int64_t k, const double *b, int64_t b_pitch, int64_t columns) {
  i->dots_f64(c, c_pitch, a, a_pitch, rows, k, b, b_pitch, columns);
}
static void fx_add_product_f32(const fx_isa *i, float *c, int64_t c_pitch, const float *a, int64_t a_pitch,
	int64_t rows, int64_t k, const float *b, int64_t b_pitch, int64_t columns) {
  i->add_product_f32(c, c_pitch, a, a_pitch, rows, k, b, b_pitch, columns);
}
static void fx_add_product_f64(const fx_isa *i, double *c, int64_t c_pitch, const double *a, int64_t a_pitch,
	int64_t rows, int64_t k, const double *b, int64_t b_pitch, int64_t columns) {
  i->add_product_f64(c, c_pitch, a, a_pitch, rows, k, b, b_pitch, columns);
}
static int64_t fx_softmax(const fx_isa *i, float *z, int64_t pitch, int64_t rows, int64_t classes,
	const int32_t *labels, const float *weights, double *losses) {
  return i->softmax(z, pitch, rows, classes, labels, weights, losses);
}
static int64_t fx_softmax_columns(const fx_isa *i, float *z, int64_t pitch, int64_t rows, int64_t classes,
	const int32_t *labels, const float *weights, double *losses) {
  return i->softmax_columns(z, pitch, rows, classes, labels, weights, losses);
}
static void fx_head_step(const fx_isa *i, float *w, float *v, int64_t rows, const float *a, int64_t a_pitch,
	int64_t k, const float *b, int64_t columns, float rate, float momentum, float decay) {
  i->head_step(w, v, rows, a, a_pitch, k, b, columns, rate, momentum, decay);
}
*/
import "C"

import "unsafe"

// isa is the instruction set of dense products, chosen once.
var isa = C.fx_best_isa()

func chooseInstructions() { isa = C.fx_best_isa() }

// native is whether the products are in C.
const native = true

func panel[T Real]() int {
	if size[T]() == 4 {
		return int(isa.panel_f32)
	}
	return int(isa.panel_f64)
}

func pack[T Real](to, b []T, pitch, k, columns int, transposed bool) {
	p, q := unsafe.Pointer(unsafe.SliceData(to)), unsafe.Pointer(unsafe.SliceData(b))
	if size[T]() == 4 {
		C.fx_pack_f32(isa, (*C.float)(p), (*C.float)(q), C.int64_t(pitch), C.int64_t(k), C.int64_t(columns),
			truth(transposed))
		return
	}
	C.fx_pack_f64(isa, (*C.double)(p), (*C.double)(q), C.int64_t(pitch), C.int64_t(k), C.int64_t(columns),
		truth(transposed))
}

func multiply[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, columns int, add bool) {
	p, q, r := unsafe.Pointer(unsafe.SliceData(c)), unsafe.Pointer(unsafe.SliceData(a)),
		unsafe.Pointer(unsafe.SliceData(b))
	if size[T]() == 4 {
		C.fx_multiply_f32(isa, (*C.float)(p), C.int64_t(cPitch), (*C.float)(q), C.int64_t(aPitch), C.int64_t(rows),
			C.int64_t(k), (*C.float)(r), C.int64_t(columns), truth(add))
		return
	}
	C.fx_multiply_f64(isa, (*C.double)(p), C.int64_t(cPitch), (*C.double)(q), C.int64_t(aPitch), C.int64_t(rows),
		C.int64_t(k), (*C.double)(r), C.int64_t(columns), truth(add))
}

func dots[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	p, q, r := unsafe.Pointer(unsafe.SliceData(c)), unsafe.Pointer(unsafe.SliceData(a)),
		unsafe.Pointer(unsafe.SliceData(b))
	if size[T]() == 4 {
		C.fx_dots_f32(isa, (*C.float)(p), C.int64_t(cPitch), (*C.float)(q), C.int64_t(aPitch), C.int64_t(rows),
			C.int64_t(k), (*C.float)(r), C.int64_t(bPitch), C.int64_t(columns))
		return
	}
	C.fx_dots_f64(isa, (*C.double)(p), C.int64_t(cPitch), (*C.double)(q), C.int64_t(aPitch), C.int64_t(rows),
		C.int64_t(k), (*C.double)(r), C.int64_t(bPitch), C.int64_t(columns))
}

func addProduct[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	p, q, r := unsafe.Pointer(unsafe.SliceData(c)), unsafe.Pointer(unsafe.SliceData(a)),
		unsafe.Pointer(unsafe.SliceData(b))
	if size[T]() == 4 {
		C.fx_add_product_f32(isa, (*C.float)(p), C.int64_t(cPitch), (*C.float)(q), C.int64_t(aPitch), C.int64_t(rows),
			C.int64_t(k), (*C.float)(r), C.int64_t(bPitch), C.int64_t(columns))
		return
	}
	C.fx_add_product_f64(isa, (*C.double)(p), C.int64_t(cPitch), (*C.double)(q), C.int64_t(aPitch), C.int64_t(rows),
		C.int64_t(k), (*C.double)(r), C.int64_t(bPitch), C.int64_t(columns))
}

func softmax(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) int {
	return int(C.fx_softmax(isa, (*C.float)(unsafe.SliceData(z)), C.int64_t(pitch), C.int64_t(len(labels)),
		C.int64_t(classes),
		(*C.int32_t)(unsafe.SliceData(labels)), (*C.float)(unsafe.SliceData(weights)),
		(*C.double)(unsafe.SliceData(losses))))
}

func softmaxColumns(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) int {
	return int(C.fx_softmax_columns(isa, (*C.float)(unsafe.SliceData(z)), C.int64_t(pitch), C.int64_t(len(labels)),
		C.int64_t(classes),
		(*C.int32_t)(unsafe.SliceData(labels)), (*C.float)(unsafe.SliceData(weights)),
		(*C.double)(unsafe.SliceData(losses))))
}

func headStep(w, v []float32, rows int, a []float32, aPitch, k int, b []float32, columns int, rate, momentum,
	decay float32) {
	C.fx_head_step(isa, (*C.float)(unsafe.SliceData(w)), (*C.float)(unsafe.SliceData(v)), C.int64_t(rows),
		(*C.float)(unsafe.SliceData(a)),
		C.int64_t(aPitch), C.int64_t(k), (*C.float)(unsafe.SliceData(b)), C.int64_t(columns), C.float(rate),
		C.float(momentum), C.float(decay))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
