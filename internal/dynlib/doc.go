// Package dynlib opens shared libraries with the system's loader: Open loads one, Library.Bind looks up its functions.
//
// # Telemetry
//
// Every package that opens ONNX Runtime imports this one, and its init switches the library's telemetry off before
// main (telemetry.go).
package dynlib
