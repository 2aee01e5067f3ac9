package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fx/bench/internal/stats"
	"fx/internal/ort"
)

//go:embed torch_step.py
var torchScript []byte

// combination is a row of the table of speeds.
type combination struct {
	Network   string `json:"network"`
	Batch     int    `json:"batch"`
	Precision string `json:"precision"`
}

// timing is the median time of a step, or the reason if there is none.
type timing struct {
	MS      float64 `json:"ms"`
	Problem string  `json:"problem"`
}

// checkSpeed times a training step of fx and of PyTorch.
func checkSpeed(ctx context.Context, o options, r *report) (failed []string, err error) {
	var all []combination
	for _, name := range o.networks() {
		for _, batch := range o.batches {
			for _, precision := range o.precisions {
				all = append(all, combination{name, batch, precision})
			}
		}
	}
	own := map[combination]timing{}
	for _, c := range all {
		fmt.Fprintf(o.log, "gpucheck: speed of %s, batch %d, %s\n", c.Network, c.Batch, c.Precision)
		ms, err := timeStep(ctx, o, c)
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
		own[c] = timing{MS: ms}
		if err != nil {
			own[c] = timing{Problem: oneLine(err)}
			failed = append(failed, fmt.Sprintf("%s, batch %d, %s: %v", c.Network, c.Batch, c.Precision, err))
		}
	}
	if err := r.add("## Speed of a training step\n\n%s\n\n", speedLegend); err != nil {
		return failed, err
	}
	if err := r.add("%s\n", speedTable(all, own, nil)); err != nil {
		return failed, err
	}
	theirs, about, err := timeTorch(ctx, o)
	if ctx.Err() != nil {
		return failed, ctx.Err()
	}
	if err != nil {
		return failed, r.add("PyTorch: skipped, %s.\n\n", oneLine(err))
	}
	return failed, r.add("Beside PyTorch %s:\n\n%s\n", about, speedTable(all, own, theirs))
}

const speedLegend = "Median milliseconds of a step whose batch is on the device already: normalisation, forward, " +
	"loss, backward, SGD with momentum, and the loss read back. " +
	"float32 may use TensorFloat-32. Eager is the faster of both memory layouts, compile is " +
	"torch.compile(mode=\"reduce-overhead\"); ratios above 1 mean that fx is faster."

// speedTable returns the table of timings; theirs is nil before PyTorch ran.
func speedTable(all []combination, own map[combination]timing, theirs map[string]map[combination]timing) string {
	var b strings.Builder
	b.WriteString("| network | batch | precision | fx, ms | fx, images/s |")
	line := "|---|---:|---|---:|---:|"
	if theirs != nil {
		b.WriteString(" eager, ms | compile, ms | eager / fx | compile / fx |")
		line += "---:|---:|---:|---:|"
	}
	b.WriteString("\n" + line + "\n")
	for _, c := range all {
		fx := own[c]
		rate := ""
		if fx.MS > 0 {
			rate = fmt.Sprintf("%.0f", 1000*float64(c.Batch)/fx.MS)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |", c.Network, c.Batch, c.Precision, fx, rate)
		if theirs != nil {
			eager, compiled := theirs["eager"][c], theirs["compile"][c]
			fmt.Fprintf(&b, " %s | %s | %s | %s |", eager, compiled, ratio(eager, fx), ratio(compiled, fx))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (t timing) String() string {
	switch {
	case t.Problem != "":
		return t.Problem
	case t.MS == 0:
		return "–"
	}
	return fmt.Sprintf("%.2f", t.MS)
}

func ratio(other, fx timing) string {
	if other.MS == 0 || fx.MS == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", other.MS/fx.MS)
}

// warmUp is the number of untimed steps: those that are recorded, and some more.
const warmUp = 6

// timeStep returns the median milliseconds of fx's step.
func timeStep(ctx context.Context, o options, c combination) (float64, error) {
	device, err := ort.ParseDevice(o.device)
	if err != nil {
		return 0, err
	}
	s, err := open(ctx, c.Network, c.Batch, c.Precision, device)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	images, labels := photos(c.Batch, s.ImageSize(), 0)
	batch, err := s.Batch(ctx, images, labels, 0)
	if err != nil {
		return 0, err
	}
	defer batch.Close()
	var times []float64
	begin := time.Now()
	for i := 0; ; i++ {
		start := time.Now()
		if i == warmUp {
			begin, times = start, nil
		}
		if _, err := s.Step(ctx, batch, 1e-5); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(start).Microseconds())/1000)
		if i >= warmUp+5 && time.Since(begin).Seconds() > o.seconds {
			return stats.Median(times), nil
		}
	}
}

// timeTorch runs the script and returns its timings by mode.
func timeTorch(ctx context.Context, o options) (timings map[string]map[combination]timing, about string, err error) {
	device, _, _ := strings.Cut(o.device, ":")
	args := []string{"--device", device, "--networks", strings.Join(o.networks(), ","), "--batches",
		joinInts(o.batches),
		"--precisions", strings.Join(o.precisions, ","), "--seconds", fmt.Sprint(o.seconds)}
	timings = map[string]map[combination]timing{"eager": {}, "compile": {}}
	found, err := o.runPython(ctx, "torch_step.py", torchScript, args, func(text []byte) {
		var line struct {
			combination
			timing
			Mode string `json:"mode"`
		}
		if json.Unmarshal(text, &line) != nil || timings[line.Mode] == nil {
			return
		}
		fmt.Fprintf(o.log, "gpucheck: PyTorch's speed of %s, batch %d, %s, %s: %s\n", line.Network, line.Batch,
			line.Precision, line.Mode, line.timing)
		timings[line.Mode][line.combination] = line.timing
	})
	return timings, found.String(), err
}

func joinInts(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

// lendLibraries lets fx use NVIDIA's libraries of the Python that has torch, if no
// environment is active: many machines have no others.
func (o options) lendLibraries(ctx context.Context) {
	if o.python == "" || os.Getenv("VIRTUAL_ENV") != "" || os.Getenv("CONDA_PREFIX") != "" {
		return
	}
	// Without the empty entry, which is the current folder and might hold a torch.py.
	prefix, err := exec.CommandContext(ctx, o.python, "-c",
		"import sys; sys.path = [p for p in sys.path if p]; import torch; print(sys.prefix)").Output()
	if err == nil {
		_ = os.Setenv("VIRTUAL_ENV", strings.TrimSpace(string(prefix))) // it holds no NUL
	}
}
