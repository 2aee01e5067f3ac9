// Package nativelib finds, fetches and checks the native libraries that fx opens:
// ONNX Runtime, NVIDIA's libraries for its CUDA provider, and TurboJPEG.
//
//	library, err := nativelib.Find("")  // --ort-lib, or "" for the usual places
//	library, err = nativelib.Install(ctx, nativelib.InstallOptions{}, report)
//
// Find looks at what the user named, fx's cache, the active virtual environment and
// the system (find.go). Install fetches Python packages with pip or uv and keeps
// their libraries (install.go, fetch.go, unpack.go); TurboJPEG it takes from
// Debian's or Ubuntu's package (turbojpeg.go). NVIDIA's libraries are opened before
// the provider that needs them (nvidia.go).
//
// # Trust
//
// Install holds ONNX Runtime's libraries to the SHA-256 in pin.go, or to one that
// the user gives, before it opens any, and what lies in fx's cache is compared with
// its record (record.go) whenever it is opened (integrity.go). Libraries that the
// user names and those of the system are theirs.
//
// # Systems
//
// Linux on amd64 and arm64: everything; the package with the CUDA provider exists
// for amd64. macOS: the CPU. Windows: the CPU with an onnxruntime.dll; the CUDA
// provider finds NVIDIA's libraries through PATH.
package nativelib
