// Package fakecuda tests CUDA code without a GPU. It makes libraries with the names of
// NVIDIA's, whose memory is the host's and whose kernels do nothing. ONNX Runtime's real
// CUDA provider loads them and runs on them.
//
// With the folder in LD_LIBRARY_PATH, a program finds one GPU. This shows everything but
// numbers: which nodes the provider takes, with which types;
// what is copied, and when; how runs become CUDA graphs; what happens when memory
// is short, when recording fails, and when Ctrl+C is pressed. Every number that
// the host reads back is 0.5, or 1 where it is an integer.
//
// The fakes are as strict as CUDA where a program can go wrong: allocating, or
// waiting for the device, while a graph is recorded fails and spoils the
// recording, host memory that a recorded copy reads must keep its content ("stale"
// in the log), and starting takes the handlers of SIGINT and SIGTERM.
//
// Environment variables steer the fakes: FAKECUDA_LOG names a file to which they
// append a line for each event, FAKECUDA_MEMORY gives the bytes of the GPU's
// memory, FAKECUDA_CAPTURE=refuse has every recording fail.
package fakecuda
