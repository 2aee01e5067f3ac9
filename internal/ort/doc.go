// Package ort finds, loads and runs ONNX Runtime.
//
// The common case:
//
//	library, err := ort.Find("")                  // --ort-lib, or "" for the usual places
//	runtime, err := ort.Load(library)             // once for the process
//	session, err := runtime.NewSession(model, ort.SessionOptions{Threads: 1})
//	defer session.Close()
//	err = session.Run(ctx,
//		[]ort.Tensor{ort.NewTensor(pixels, 8, 224, 224, 3)},     // read from pixels
//		[]ort.Tensor{ort.NewTensor(features, 8, 512, 13, 13)})   // written into features
//
// A session may Run in many goroutines at once; on the CPU, sessions of one
// thread with a goroutine for each core have the highest throughput. Install
// fetches the library, Diagnose says what is there and what is missing.
//
// # What it is made of
//
// Opening the library, environment, session options, the life of a session and
// cancellation go through yalue/onnxruntime_go. A small C shim (shim.c) calls
// ONNX Runtime's table of functions for what that binding lacks: a run over the
// caller's memory in one call, the names and symbolic sizes of inputs and
// outputs, the list of providers, the provider's options read back, and values
// that stay where they are between runs (Value, Binding: training), recording runs
// as CUDA graphs (SessionOptions.Capture) and which provider runs which node. Values
// are copied by NVIDIA's driver (copy.go). No C type leaves this package.
//
// # Trust
//
// Install holds ONNX Runtime's libraries to the SHA-256 in pin.go, or to one that
// the user gives, before it opens any, and what lies in fx's cache is compared
// with its record whenever it is opened (integrity.go). Libraries that the user
// names and those of the system are theirs. ONNX Runtime's telemetry is off
// (telemetry.go).
//
// # Systems
//
// Linux on amd64 and arm64: everything; the package with the CUDA provider
// exists for amd64. macOS: the CPU. Windows: the CPU with an onnxruntime.dll; the
// CUDA provider finds NVIDIA's libraries through PATH, since only Linux needs
// and gets them opened by path (preload.go).
//
// # Signals
//
// NVIDIA's libraries replace signal handlers as they start, and a Go program
// then dies at Ctrl+C, or never sees it. Whatever starts them here runs inside
// keepSignals, which puts Go's handlers back: asking the driver, opening the
// libraries, appending the provider, opening a session, its first run, every run
// that is recorded, and the first copy.
package ort
