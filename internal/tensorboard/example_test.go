package tensorboard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fx/internal/tensorboard"
)

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	log := tensorboard.Log{Start: start, Settings: map[string]any{"lr": 0.001}}
	for epoch, loss := range []float64{0.6, 0.4} { // written anew at each epoch
		log.Points = append(log.Points, tensorboard.Point{
			Step: int64(epoch + 1), Time: start.Add(time.Duration(epoch+1) * time.Minute),
			Scalars: []tensorboard.Scalar{{Tag: "loss/train", Value: loss}},
		})
		if err := tensorboard.Write(dir, log); err != nil {
			panic(err)
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	fmt.Println(len(found), filepath.Base(found[0]), err)
	// Output: 1 events.out.tfevents.1767225600.fx <nil>
}
