package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fx/bench/internal/profile"
)

// profileOptions of a profile.
type profileOptions struct {
	stepOptions
	nodes int
	keep  string // file for ONNX Runtime's own profile, "" for none
}

// profileSteps trains with ONNX Runtime's profiler and sums its times.
func profileSteps(ctx context.Context, o profileOptions) (profile.Breakdown, error) {
	dir, err := os.MkdirTemp("", "trainstep-")
	if err != nil {
		return profile.Breakdown{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the profile of this run only
	m, close, err := train(ctx, o.stepOptions, filepath.Join(dir, "step"))
	if err != nil {
		return profile.Breakdown{}, err
	}
	close()
	b, text, err := profile.Read(filepath.Join(dir, "step"), o.warmup)
	if err != nil {
		return b, err
	}
	if o.keep != "" {
		if err := os.WriteFile(o.keep, text, 0o644); err != nil {
			return profile.Breakdown{}, err
		}
	}
	b.Unit = "step"
	b.Title = fmt.Sprintf("%s, batch %d, %d threads, ONNX Runtime %s", o.backbone, o.batch, o.threads,
		m.Versions["onnxruntime"])
	for _, ms := range m.Milliseconds {
		b.Step += ms / float64(len(m.Milliseconds))
	}
	return b, nil
}
