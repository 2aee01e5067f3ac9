// Package kernels holds CPU ops written in C that ONNX Runtime lacks or runs as several slower ops. For training:
//
//	fx.ConvWeightGrad              the gradient of a convolution's weight and bias
//	fx.Conv3x3                     convolution by 3×3 in groups after Winograd, with the Relu after it, and gradient
//	fx.DepthwiseConv               convolution with a kernel for each channel, and its gradient
//	fx.BatchNorm, fx.BatchNormGrad batch normalization by the batch's statistics, with the activation after it
//	fx.MaxPool, fx.MaxPoolGrad     max pooling that stores the positions of its maxima in bytes
//	fx.SumPoolGrad                 average pooling's gradient
//	fx.Activation, fx.ActivationGrad
//	                               Relu, Clip, SiLU, GELU and others, and their gradients, in one pass over memory
//	fx.SGD                         the update of all parameters in one pass
//
// For inference:
//
//	fx.ConvTiles                   convolution by 3×3 and 5×5 after Winograd, in ONNX Runtime's blocks of channels
//
// [Register] adds them to a session as ops of the domain "fx". They run in ONNX Runtime, on its threads and in its
// memory. Package autodiff writes them into training graphs if asked to, package inference into networks that ONNX
// Runtime has optimized. Every graph can be written without them, as artifacts for other runtimes are.
//
// Package head multiplies with the same instructions: [Packed], [Multiply], [MultiplyTransposed], [Softmax] and
// [HeadStep] are plain functions; tests without cgo run them on gonum's. They were chosen by these measurements, in
// GFLOP/s of float32 by one thread of an AMD EPYC (Zen 4), for a batch of 96 rows times a weight of 2048×1000 and for
// the gradient 1000×1024·1024×64:
//
//	these, AVX-512              111   109    (the core's units can do 118)
//	numpy 2.4, OpenBLAS          98   100
//	PyTorch 2.15, MKL            90    95
//	ONNX Runtime 1.31, MatMul    89   103
//	gonum 0.17                   13    13
//
// BenchmarkProducts measures the first and, with CGO_ENABLED=0, the last line.
//
// The kernels are templates over the width of a vector (*.inc.h), compiled for AVX-512, AVX2 and the compiler's
// default target. The widest set that the processor has is chosen when the process starts; the environment variable
// FX_KERNELS_ISA (avx2, generic) selects a narrower one. Their results do not depend on the number of threads.
package kernels
