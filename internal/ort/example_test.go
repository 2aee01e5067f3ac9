package ort_test

import (
	"fmt"

	"fx/internal/fail"
	"fx/internal/ort"
)

func ExampleNewTensor() {
	pixels := make([]uint8, 2*224*224*3) // reused from batch to batch
	images := ort.NewTensor(pixels, 2, 224, 224, 3)
	ort.Data[uint8](images)[0] = 255 // the tensor is a view
	fmt.Println(images.DType(), images.Shape(), pixels[0])
	// Output: uint8 [2 224 224 3] 255
}

func ExampleParseDevice() {
	device, err := ort.ParseDevice("cuda:1")
	fmt.Println(device, device.ID, err)
	_, err = ort.ParseDevice("gpu")
	fmt.Println(err)
	fmt.Println(fail.HintOf(err))
	// Output:
	// cuda:1 1 <nil>
	// unknown device "gpu"
	// Devices are auto, cpu, cuda and cuda:N.
}
