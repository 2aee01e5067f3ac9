package version_test

import (
	"fmt"

	"fx/internal/version"
)

func Example() {
	fmt.Println(version.String() != "")
	// Output: true
}
