// Package fakecuda rehearses CUDA where there is no GPU. It makes libraries
// under the names of NVIDIA's whose memory is the host's and whose kernels do
// nothing, and ONNX Runtime's real CUDA provider loads and runs on them:
//
//	libs, err := fakecuda.Build(dir, ".../libonnxruntime_providers_cuda.so")
//
// With the folder in LD_LIBRARY_PATH a program finds one GPU. What can be seen so
// is everything but numbers: which nodes the provider takes, with which types;
// what is copied, and when; how runs become CUDA graphs; what happens when memory
// is short, when recording fails, and when Ctrl+C is pressed. Every number that
// the host reads back is 0.5, or 1 where it is an integer.
//
// The fakes are as strict as CUDA where a program can go wrong: allocating, or
// waiting for the device, while a graph is recorded fails and spoils the
// recording, and starting takes the handlers of SIGINT and SIGTERM.
//
// Environment variables steer the fakes: FAKECUDA_LOG names a file to which they
// append a line for each event, FAKECUDA_MEMORY gives the bytes of the GPU's
// memory, FAKECUDA_CAPTURE=refuse has every recording fail.
package fakecuda
