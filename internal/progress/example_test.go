package progress_test

import (
	"fmt"

	"fx/internal/progress"
)

// count shows how a library reports: it neither draws nor knows who watches.
func count(photos []string, report progress.Reporter) {
	task := report.Begin("extract", int64(len(photos)), "images")
	defer task.End()
	for range photos {
		task.Add(1)
	}
}

func Example() {
	count([]string{"a.jpg", "b.jpg"}, progress.Discard)
	fmt.Println("nobody watched")
	// Output: nobody watched
}
