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
// A session may Run in many goroutines at once. Install fetches the library,
// Diagnose says what is there and what is missing.
//
// Opening the library, environment, session options, the life of a session and
// cancellation go through yalue/onnxruntime_go. A small C shim (shim.c) calls
// ONNX Runtime's table of functions for what that binding lacks: a run over the
// caller's memory in one call, the names and symbolic sizes of inputs and
// outputs, the list of providers, the provider's options read back. Values bound
// to a device (training) belong there too. No C type leaves this package.
package ort
