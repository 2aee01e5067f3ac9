// Package inference opens networks whose weights no longer change, in their fastest form. On the CPU, ONNX Runtime
// first optimizes the graph as it always does: it fuses batch normalization, sums and Relus into the convolutions and
// arranges tensors in blocks of channels. [NewSession] then replaces the 3×3 and 5×5 convolutions of stride 1 in the
// optimized graph with the kernel ConvTiles of package kernels, which needs a quarter of their multiplications, and
// opens the result. Convolutions by 3×3 in groups that are no whole blocks become the kernel Conv3x3, in plain layout.
//
// The layout of these blocks is no part of ONNX Runtime's interface. So before the first network of a process, the
// replacement is tried on a small network, whose outputs are compared with those of ONNX Runtime alone. If they
// differ, or if any step fails, networks run in ONNX Runtime without the replacement. [Session.ProviderOptions]
// reports which it is under "convolutions".
package inference
