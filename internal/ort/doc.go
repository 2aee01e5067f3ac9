// Package ort loads ONNX Runtime and runs its sessions on the CPU or a GPU.
//
// Load opens the library, Runtime.NewSession makes a session of a model, and Session.Run reads its input tensors from
// the caller's memory and writes its output tensors into it.
//
// Many goroutines may run a session at once. On the CPU, sessions of one thread with one goroutine per core have the
// highest throughput. Package nativelib finds and installs the library, package doctor reports what is missing.
//
// # Implementation
//
// yalue/onnxruntime_go opens the library and covers the environment, session options, the lifetime of a session and
// cancellation. A small C shim (shim.c) calls ONNX Runtime's table of functions (package ortapi) for what that binding
// lacks: a run over the caller's memory in one call, the names and symbolic sizes of inputs and outputs, the list of
// providers, the provider's effective options, values that stay on their device between runs (Value and Binding, for
// training), CUDA graphs (SessionOptions.Capture), and which provider runs which node. NVIDIA's driver copies values
// (package cuda). No C type leaves this package.
//
// NVIDIA's libraries replace Go's signal handlers when they start, so calls that start them run in cuda.KeepSignals.
package ort
