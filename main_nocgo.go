//go:build !cgo

package main

// Without cgo there is no fx, because ONNX Runtime has a C interface. This is the compiler's only error then.
const _ int = "fx needs cgo: install a C compiler such as gcc, or name one in CC, and build with CGO_ENABLED=1"

func main() {}
