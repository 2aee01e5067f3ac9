package dynlib_test

import (
	"fmt"

	"fx/internal/dynlib"
)

func ExampleOpen() {
	_, err := dynlib.Open("libnosuchthing.so.9", false)
	fmt.Println(err != nil)
	// Output: true
}
