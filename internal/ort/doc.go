// Package ort loads and runs ONNX Runtime: sessions, and the devices that they run on.
//
// The common case:
//
//	runtime, err := ort.Load("")                  // --ort-lib, or "" for the usual places
//	session, err := runtime.NewSession(model, ort.SessionOptions{Threads: 1})
//	defer session.Close()
//	err = session.Run(ctx,
//		[]ort.Tensor{ort.NewTensor(pixels, 8, 224, 224, 3)},     // read from pixels
//		[]ort.Tensor{ort.NewTensor(features, 8, 512, 13, 13)})   // written into features
//
// A session may Run in many goroutines at once; on the CPU, sessions of one
// thread with a goroutine for each core have the highest throughput. Package
// nativelib finds and installs the library, package doctor says what is missing.
//
// # What it is made of
//
// Opening the library, environment, session options, the life of a session and
// cancellation go through yalue/onnxruntime_go. A small C shim (shim.c) calls
// ONNX Runtime's table of functions (package ortapi) for what that binding lacks: a
// run over the caller's memory in one call, the names and symbolic sizes of inputs
// and outputs, the list of providers, the provider's options read back, and values
// that stay where they are between runs (Value, Binding: training), recording runs
// as CUDA graphs (SessionOptions.Capture) and which provider runs which node. Values
// are copied by NVIDIA's driver (package cuda). No C type leaves this package.
//
// NVIDIA's libraries take Go's signal handlers as they start: whatever starts them
// here runs inside cuda.KeepSignals.
package ort
