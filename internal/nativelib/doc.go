// Package nativelib finds, fetches and checks the native libraries that fx opens:
// ONNX Runtime, NVIDIA's libraries for its CUDA provider, and TurboJPEG.
//
// Find returns ONNX Runtime's library: the one that the user named, or the first of the program's folder, fx's cache,
// Python environments and the system (find.go). Install fetches Python packages with pip or uv (install.go, fetch.go),
// or downloads the release archive, or takes a file of the user's (release.go), and keeps the libraries (unpack.go,
// untar.go); it takes TurboJPEG from Debian's or Ubuntu's package (turbojpeg.go). NVIDIA's libraries are opened before
// the provider that needs them (nvidia.go).
//
// # Trust
//
// Install checks the libraries of a package against the SHA-256 in pin.go, or against one that the user gives, before
// it opens any. A release archive must be the one of its first use on this machine. Libraries in fx's cache are
// compared with their record (record.go) each time they are opened (integrity.go). Libraries that the user names and
// those of the system are not checked.
//
// # Systems
//
// Linux on amd64 and arm64: everything; the package with the CUDA provider exists
// for amd64. macOS: the CPU. Windows: the CPU with an onnxruntime.dll; the CUDA
// provider finds NVIDIA's libraries through PATH.
package nativelib
