package spelling_test

import (
	"fmt"

	"fx/internal/spelling"
)

func ExampleNearest() {
	fmt.Println(spelling.Nearest([]string{"epochs", "batch-size", "lr"}, "batchsize"))
	// Output: [batch-size]
}
