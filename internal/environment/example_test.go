package environment_test

import (
	"fmt"

	"fx/internal/environment"
	"fx/internal/imaging"
)

func Example() {
	e := environment.Environment{Decoder: "go", Workers: 2}
	decoder, err := e.NewDecoder(imaging.Options{EXIF: "apply"})
	if err != nil {
		panic(err)
	}
	fmt.Println(decoder.Name(), e.WorkerCount())
	// Output: go image/jpeg 2
}
