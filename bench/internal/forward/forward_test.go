package forward

import (
	"context"
	"errors"
	"testing"
	"time"

	"fx/backbones"
	"fx/extract"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

func TestRun(t *testing.T) {
	if _, err := ort.Find(""); err != nil {
		t.Skipf("no ONNX Runtime here: %v", err)
	}
	e, err := extract.OpenEmbedder(t.Context(), extract.EmbedderOptions{
		Network: backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 64, Crop: 64},
		Device:  ort.CPU, BatchSize: 2, Workers: 2,
	}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if rate, err := Run(t.Context(), e, 20*time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("%v photos/s, %v", rate, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rate, err := Run(ctx, e, time.Minute); !errors.Is(err, context.Canceled) || rate != 0 {
		t.Errorf("stopped: %v photos/s, %v", rate, err)
	}
}
