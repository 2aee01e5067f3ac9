package fakecuda_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/fakecuda"
)

func ExampleEvents() {
	dir, err := os.MkdirTemp("", "fakecuda")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	log := "71 record\n71 recorded 506\n71 replay 0x7f\n"
	if err := os.WriteFile(filepath.Join(dir, "events"), []byte(log), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	events, err := fakecuda.Events(dir)
	for _, e := range events {
		fmt.Printf("thread %s: %s\n", e.Thread, strings.TrimSpace(e.What+" "+e.Rest))
	}
	fmt.Println(err)
	// Output:
	// thread 71: record
	// thread 71: recorded 506
	// thread 71: replay 0x7f
	// <nil>
}
