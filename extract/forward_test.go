package extract

import (
	"context"
	"errors"
	"testing"
	"time"

	"fx/internal/ort/orttest"
)

func TestForward(t *testing.T) {
	orttest.Library(t)
	o := options("", "").Embedder
	o.BatchSize, o.Workers = 2, 2
	e := opened(t, o)
	if rate, err := Forward(t.Context(), e, 20*time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("%v photos/s, %v", rate, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rate, err := Forward(ctx, e, time.Minute); !errors.Is(err, context.Canceled) || rate != 0 {
		t.Errorf("stopped: %v photos/s, %v", rate, err)
	}
}
