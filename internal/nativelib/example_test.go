package nativelib_test

import (
	"fmt"

	"fx/internal/fail"
	"fx/internal/nativelib"
)

func ExampleFind() {
	_, err := nativelib.Find("/nowhere/libonnxruntime.so")
	fmt.Println(err)
	fmt.Println(fail.HintOf(err))
	// Output:
	// --ort-lib names /nowhere/libonnxruntime.so: no such file or directory
	// Correct --ort-lib, or leave it out: fx then searches for one, first where `fx runtime install` puts it.
}
