package filehash_test

import (
	"fmt"
	"os"

	"fx/internal/filehash"
)

func ExampleKnown() {
	file, err := os.Open("doc.go")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	_, known := filehash.Known(file) // far too small to be worth it
	fmt.Println(known)
	// Output: false
}
