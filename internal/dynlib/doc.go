// Package dynlib opens shared libraries by the system's loader:
//
//	library, err := dynlib.Open("libcuda.so.1", false)
//	if err != nil {
//		return err
//	}
//	err = library.Bind(map[string]unsafe.Pointer{"cuInit": unsafe.Pointer(&api.init)})
//
// # Telemetry
//
// Whoever opens ONNX Runtime imports this package, and its init switches the
// library's telemetry off before main (telemetry.go).
package dynlib
