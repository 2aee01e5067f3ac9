// Package inference opens networks whose weights no longer change where they run
// fastest. On the CPU, ONNX Runtime first makes of the graph what it would make of
// it anyway: batch normalization within the convolutions, sums and Relus too, and
// tensors in blocks of channels. In what it made, [NewSession] replaces the
// convolutions by 3×3 and 5×5 with stride 1 by the kernel ConvTiles of package
// kernels, which needs a quarter of their multiplications, and opens that.
//
// How ONNX Runtime lays blocks out is no part of its interface. So before the first
// network of a process the same way is gone with a small one, and compared with the
// session that ONNX Runtime makes by itself; where the two differ, or anything fails on
// the way, networks are left to ONNX Runtime alone. [Session.ProviderOptions] says
// which under "convolutions".
package inference
