// Package kernels holds a few ops for the CPU, written in C, which ONNX Runtime
// lacks or has in slower pieces. For training:
//
//	fx.ConvWeightGrad              the gradient of a convolution's weight and bias
//	fx.Conv3x3                     convolution by 3×3 after Winograd, with the Relu after it, and its gradient
//	fx.BatchNorm, fx.BatchNormGrad batch normalization by the batch's statistics, with the Relu after it
//	fx.MaxPool, fx.MaxPoolGrad     max pooling that remembers in a byte where its maxima were
//	fx.SumPoolGrad                 average pooling's gradient
//	fx.ReluGrad, fx.SGD            one pass over memory each
//
// and for networks that are trained:
//
//	fx.ConvTiles                   convolution by 3×3 and 5×5 after Winograd, in ONNX Runtime's blocks of channels
//
// [Register] makes them known to a session, as ops of the domain "fx"; they run
// in ONNX Runtime, on its threads and in its memory. Package autodiff writes them
// into training graphs where it is told to, package frozen into what ONNX Runtime
// makes of a network; every graph can be written without them, and artifacts for
// other runtimes are.
//
// The kernels are templates over the width of a vector (*.inc.h), compiled for
// AVX-512, AVX2 and whatever the compiler's target has, and chosen when the process
// starts; the environment variable FX_KERNELS_ISA (avx2, generic) takes a narrower
// one. Their results do not depend on the number of threads.
package kernels
