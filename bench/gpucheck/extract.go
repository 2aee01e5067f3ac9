package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"fx/backbones"
	"fx/bench/internal/forward"
	"fx/extract"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/relative"
	"fx/internal/store"
	"fx/internal/weights"
)

// extracted are the networks whose features are checked by default: the tutorial's, and some with other operators.
var extracted = append(slices.Clone(families), "squeezenet1_1", "efficientnet_lite0", "mobilenet_v3_large",
	"efficientnet_b0", "convnext_tiny", "vit_b_16", "swin_t", "dinov2_vits14")

// checkExtract extracts features on the CPU, on the device and on the device
// without TensorFloat-32, and times the network alone.
func checkExtract(ctx context.Context, o options, r *report) (failed []string, err error) {
	photos := o.data
	if photos == "" {
		if photos, err = drawPhotos(filepath.Join(o.scratch, "photos")); err != nil {
			return nil, err
		}
	}
	if o.backbones == nil {
		o.backbones = extracted
	}
	if err := r.add("## Features\n\nWeights seed:0, batch %d. Images/s of `fx extract` (decoding included) on the "+
		"device and on the CPU, and of the network alone on the device. "+
		"Distance: relative L2 of a photo's features to the CPU's.\n\n"+
		"| backbone | extract, %s | extract, cpu | network alone, %s | mean distance | worst | worst without TF32 | "+
		"within %.0e |\n|---|---:|---:|---:|---:|---:|---:|---|\n",
		o.batch, o.device, o.device, o.tolerance); err != nil {
		return nil, err
	}
	for _, name := range o.backbones {
		fmt.Fprintf(o.log, "gpucheck: extract %s\n", name)
		scratch := filepath.Join(o.scratch, name)
		result, err := check(ctx, o, name, photos, scratch)
		if err != nil {
			return failed, fmt.Errorf("%s: %w", name, err)
		}
		if !result.within(o.tolerance) {
			failed = append(failed, name+"'s features differ from the CPU's by more than the tolerance")
		}
		if err := r.add("%s", result.row(o.tolerance)); err != nil {
			return failed, err
		}
		if err := os.RemoveAll(scratch); err != nil {
			return failed, err
		}
	}
	return failed, r.add("\n")
}

// result is a row of the table.
type result struct {
	name            string
	photos          int
	onDevice, onCPU float64 // images/s of fx extract
	alone           float64 // images/s of the network without photos
	distance, exact distance
	provider        string
}

func (r result) row(tolerance float64) string {
	return fmt.Sprintf("| %s | %.0f | %.0f | %.0f | %.1e | %.1e | %.1e | %s |\n", r.name, r.onDevice, r.onCPU, r.alone,
		r.distance.mean, r.distance.worst, r.exact.worst, verdict(r.within(tolerance)))
}

func verdict(good bool) string {
	if good {
		return "yes"
	}
	return "**no**"
}

// within reports whether every photo's features agree; NaN does not.
func (r result) within(tolerance float64) bool {
	return r.distance.worst <= tolerance && r.exact.worst <= tolerance
}

// check extracts on the CPU, on the device, and on the device without TF32.
func check(ctx context.Context, o options, name, photos, scratch string) (result, error) {
	r := result{name: name}
	extract := func(device, dir string, environment ...string) (summary extractSummary, err error) {
		return summary, call(ctx, o, environment, &summary, "extract", "--backbone", name, "--weights", "seed:0",
			"--data", photos, "--out", filepath.Join(scratch,
				dir), "--device", device, "--batch-size", strconv.Itoa(o.batch))
	}
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return r, err
	}
	cpu, err := extract("cpu", "cpu")
	if err != nil {
		return r, err
	}
	device, err := extract(o.device, "device")
	if err != nil {
		return r, err
	}
	if _, err := extract(o.device, "exact", ort.CUDAVariable+"=use_tf32=0"); err != nil {
		return r, err
	}
	r.photos, r.onCPU, r.onDevice, r.provider = cpu.Computed, cpu.ImagesPerSecond, device.ImagesPerSecond,
		device.Provider
	if o.device != "cpu" && device.Provider != "CUDAExecutionProvider" {
		return r, fmt.Errorf("fx extract --device %s ran on %s", o.device, device.Provider)
	}
	if r.distance, err = compare(filepath.Join(scratch, "device"), filepath.Join(scratch, "cpu")); err != nil {
		return r, err
	}
	if r.exact, err = compare(filepath.Join(scratch, "exact"), filepath.Join(scratch, "cpu")); err != nil {
		return r, err
	}
	r.alone, err = timeAlone(ctx, o, name)
	return r, err
}

// extractSummary is the part of the output of `fx extract` that is used.
type extractSummary struct {
	Computed        int     `json:"computed"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Provider        string  `json:"provider"`
}

// distance is the distance of features from the CPU's: ‖a−b‖₂/‖b‖₂ for each photo.
type distance struct{ mean, worst float64 }

// compare reads two stores of the same photos.
func compare(path, reference string) (distance, error) {
	a, err := store.Open(context.Background(), path, progress.Discard)
	if err != nil {
		return distance{}, err
	}
	defer func() { _ = a.Close() }() // only read
	b, err := store.Open(context.Background(), reference, progress.Discard)
	if err != nil {
		return distance{}, err
	}
	defer func() { _ = b.Close() }() // only read
	if len(a.Rows()) != len(b.Rows()) || len(a.Rows()) == 0 {
		return distance{}, fmt.Errorf("%s has %d rows, %s has %d", path, len(a.Rows()), reference, len(b.Rows()))
	}
	var d distance
	for i, row := range a.Rows() {
		if other := b.Rows()[i]; row.Path != other.Path || row.View != other.View {
			return d, fmt.Errorf("row %d is %s in %s and %s in %s", i, row.Path, path, other.Path, reference)
		}
		one := relative.L2(a.Embedding(i, nil), b.Embedding(i, nil))
		d.mean += one / float64(len(a.Rows()))
		d.worst = max(d.worst, one) // NaN stays NaN
	}
	return d, nil
}

// timeAlone runs only the network for about two seconds and returns its rate, the
// device's limit without decoding.
func timeAlone(ctx context.Context, o options, name string) (float64, error) {
	e, err := openEmbedder(ctx, o.device, extract.EmbedderOptions{
		Network: backbones.NetworkOptions{Backbone: name, Weights: weights.Seed(0)}, BatchSize: o.batch,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Close() }() // nothing is written through it
	return forward.Run(ctx, e, 2*time.Second)
}

// openEmbedder opens a network on a device, such as "cuda".
func openEmbedder(ctx context.Context, device string, o extract.EmbedderOptions) (*extract.Embedder, error) {
	var err error
	if o.Device, err = ort.ParseDevice(device); err != nil {
		return nil, err
	}
	return extract.OpenEmbedder(ctx, o, progress.Discard)
}
