package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/store"
)

// machine is what the table says of where it was made.
type machine struct {
	gpu, driver, cpu, library string
}

// examine asks `fx runtime doctor`. Without a GPU that computes it is an error of kind fail.Device.
func examine(ctx context.Context, o options) (machine, error) {
	var report ort.Report
	if err := call(ctx, o, nil, &report, "runtime", "doctor"); err != nil {
		return machine{}, err
	}
	m := machine{cpu: cpuName() + fmt.Sprintf(", %d cores", runtime.NumCPU()), driver: report.CUDA.Driver}
	if report.Library != nil {
		m.library = "ONNX Runtime " + report.Library.Version
	}
	if o.device == "cpu" {
		m.gpu = "none: rehearsed on the CPU"
		return m, nil
	}
	if !report.CUDA.Works {
		return m, fail.New(fail.Device, report.CUDA.Mend, "no GPU to check here: %s", report.CUDA.Problem)
	}
	device, err := ort.ParseDevice(o.device)
	if err != nil {
		return m, err
	}
	for _, gpu := range report.CUDA.GPUs {
		if gpu.ID == device.ID {
			m.gpu = gpu.String()
		}
	}
	return m, nil
}

// cpuName is the processor's name, where the system says it.
func cpuName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// call runs fx with --json and reads its answer.
func call(ctx context.Context, o options, environment []string, answer any, args ...string) error {
	command := exec.CommandContext(ctx, o.fx, append(args, "--json")...)
	command.Env = append(os.Environ(), environment...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if parseErr := json.Unmarshal(stdout.Bytes(), answer); parseErr == nil && err == nil {
		return nil
	} else if err == nil {
		return fmt.Errorf("fx %s: its JSON: %w", strings.Join(args, " "), parseErr)
	}
	said := strings.TrimSpace(stderr.String())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fail.New(fail.Kind(exit.ExitCode()), "", "fx %s: %s", strings.Join(args, " "), said)
	}
	return fmt.Errorf("fx %s: %w %s", strings.Join(args, " "), err, said)
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

// within tells whether every photo's features agree; NaN does not.
func (r result) within(tolerance float64) bool {
	return r.distance.worst <= tolerance && r.exact.worst <= tolerance
}

// check extracts on the CPU, on the device, and on the device without TF32.
func check(ctx context.Context, o options, name, photos, scratch string) (result, error) {
	r := result{name: name}
	extract := func(device, dir string, environment ...string) (summary extractSummary, err error) {
		return summary, call(ctx, o, environment, &summary, "extract", "--backbone", name, "--weights", "seed:0",
			"--data", photos, "--out", filepath.Join(scratch, dir), "--device", device, "--batch-size", strconv.Itoa(o.batch))
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
	r.photos, r.onCPU, r.onDevice, r.provider = cpu.Computed, cpu.ImagesPerSecond, device.ImagesPerSecond, device.Provider
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

// extractSummary is what is used of the answer of `fx extract`.
type extractSummary struct {
	Computed        int     `json:"computed"`
	ImagesPerSecond float64 `json:"images_per_second"`
	Provider        string  `json:"provider"`
}

// distance is how far features lie from the CPU's: ‖a−b‖₂/‖b‖₂ for each photo.
type distance struct{ mean, worst float64 }

// compare reads two stores of the same photos.
func compare(path, reference string) (distance, error) {
	a, err := store.Open(path)
	if err != nil {
		return distance{}, err
	}
	defer func() { _ = a.Close() }() // only read
	b, err := store.Open(reference)
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
		one := relative(a.Embedding(i, nil), b.Embedding(i, nil))
		d.mean += one / float64(len(a.Rows()))
		d.worst = max(d.worst, one) // NaN stays NaN
	}
	return d, nil
}

func relative(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var difference, norm float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		norm += float64(b[i]) * float64(b[i])
	}
	if difference == 0 {
		return 0
	}
	return math.Sqrt(difference / norm)
}

// timeAlone runs the network on one batch of noise for about two seconds: what
// the device could do if photos were decoded in no time.
func timeAlone(ctx context.Context, o options, name string) (float64, error) {
	session, backbone, err := openAlone(o, name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = session.Close() }() // nothing depends on it
	batch, crop := int64(o.batch), int64(backbone.Preprocess.Crop)
	pixels := make([]uint8, batch*crop*crop*3)
	for i := range pixels {
		pixels[i] = uint8(i * 2654435761 >> 16)
	}
	inputs, outputs := []ort.Tensor{ort.NewTensor(pixels, batch, crop, crop, 3)}, make([]ort.Tensor, 1)
	const warmUp = 3
	var start time.Time
	for runs := -warmUp; ; runs++ {
		if runs == 0 {
			start = time.Now()
		}
		if elapsed := time.Since(start); runs > 0 && elapsed > 2*time.Second {
			return float64(runs*o.batch) / elapsed.Seconds(), nil
		}
		if err := session.Run(ctx, inputs, outputs); err != nil {
			return 0, err
		}
	}
}

func openAlone(o options, name string) (*ort.Session, backbones.Backbone, error) {
	b, err := backbones.Lookup(name)
	if err != nil {
		return nil, b, err
	}
	weights, err := backbones.SeedWeights(b, 0)
	if err != nil {
		return nil, b, err
	}
	whole, err := backbones.Assemble(b, weights)
	if err != nil {
		return nil, b, err
	}
	features, err := backbones.Features(whole, b)
	if err != nil {
		return nil, b, err
	}
	model, err := onnx.Marshal(features)
	if err != nil {
		return nil, b, err
	}
	library, err := ort.Find("")
	if err != nil {
		return nil, b, err
	}
	rt, err := ort.Load(library)
	if err != nil {
		return nil, b, err
	}
	device, err := ort.ParseDevice(o.device)
	if err != nil {
		return nil, b, err
	}
	session, err := rt.NewSession(model, ort.SessionOptions{Device: device})
	return session, b, err
}
