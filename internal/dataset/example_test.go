package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fx/internal/dataset"
)

func Example() {
	root, err := os.MkdirTemp("", "photos")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	for _, name := range []string{"train/ants/1.jpg", "train/bees/2.jpg", "val/ants/3.jpg", "val/bees/4.png",
		"val/bees/5.gif"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte{0}, 0o644); err != nil {
			panic(err)
		}
	}

	d, err := dataset.Scan(context.Background(), root, dataset.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(d.Splits, d.Classes)
	for _, item := range d.Items {
		fmt.Println(item.Rel, item.Label)
	}
	for _, s := range d.Skipped {
		fmt.Println(filepath.Base(s.Path), "skipped:", s.Reason)
	}
	// Output:
	// [train val] [ants bees]
	// train/ants/1.jpg 0
	// train/bees/2.jpg 1
	// val/ants/3.jpg 0
	// val/bees/4.png 1
	// 5.gif skipped: extension .gif (--extensions .gif adds it)
}
