package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"fx/finetune"
	"fx/finetune/artifacts"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

// The same training steps on the CPU and on the device, from the same weights
// (those of --scratch, seed 0) on the same photos.
const parityBatch = 4

// rates are the learning rates, small enough that rounding differences do not grow over
// the steps: those of finetune/artifacts/testdata/compare.py.
var rates = map[string]float64{"vgg11_bn": 1e-5, "densenet121": 2e-5, "inception_v3": 1e-5}

const usualRate = 1e-4

// kind is a way to compute on the device, with its largest relative distance from float32
// on the CPU.
type kind struct {
	name      string
	precision string
	exact     bool    // without TensorFloat-32
	loss      float64 // of the first step
	gradient  float64 // of all parameters together, L2
	curve     float64 // largest of all steps' losses
}

// kinds: the bounds of plain float32 are those of the comparison with PyTorch, with room
// for Relus at zero that are open on one side only; TensorFloat-32 and bfloat16 round
// products to 11 and 8 bits.
var kinds = []kind{
	{"float32", artifacts.Float32, true, 1e-4, 5e-2, 5e-3},
	{"float32 (TF32)", artifacts.Float32, false, 1e-2, 0.3, 5e-2},
	{"bfloat16", artifacts.BFloat16, false, 5e-2, 0.7, 0.2},
	{"float16", artifacts.Float16, false, 2e-2, 0.5, 0.1},
}

// training is the result of some steps.
type training struct {
	losses    []float64
	gradients map[string][]float32 // of the first step
	news      []string
}

// checkParity compares training on the device with training on the CPU.
func checkParity(ctx context.Context, o options, r *report) (failed []string, err error) {
	if err := r.add("## Training on the device and on the CPU\n\n%d steps of SGD with momentum, batch %d, random "+
		"weights as --scratch draws them, all parameters. "+
		"Relative differences to float32 on the CPU: of the first loss; of the first gradient, all parameters "+
		"together and the worst parameter (L2); of the loss curve at its worst.\n\n"+
		"| network | precision | loss | gradient | worst parameter | curve | within bounds "+
		"|\n|---|---|---:|---:|---|---:|---|\n", o.steps, parityBatch); err != nil {
		return nil, err
	}
	var news []string
	for _, name := range o.networks() {
		fmt.Fprintf(o.log, "gpucheck: parity of %s on the CPU\n", name)
		want, err := train(ctx, o, name, ort.CPU, kinds[0])
		if err != nil {
			return failed, fmt.Errorf("%s on the CPU: %w", name, err)
		}
		device, err := ort.ParseDevice(o.device)
		if err != nil {
			return failed, err
		}
		for _, k := range kinds {
			if o.rehearsal() && k.precision == artifacts.BFloat16 {
				continue // the CPU has no TensorFloat-32
			}
			fmt.Fprintf(o.log, "gpucheck: parity of %s, %s\n", name, k.name)
			got, err := train(ctx, o, name, device, k)
			if err != nil {
				if addErr := r.add("| %s | %s | | | | | **%s** |\n", name, k.name, oneLine(err)); addErr != nil {
					return failed, addErr
				}
				failed = append(failed, fmt.Sprintf("%s, %s: %v", name, k.name, err))
				continue
			}
			d := apart(got, want)
			good := d.loss <= k.loss && d.gradient <= k.gradient && d.curve <= k.curve
			if !good {
				failed = append(failed, fmt.Sprintf("%s, %s: loss %.1e, gradient %.1e, curve %.1e", name, k.name,
					d.loss, d.gradient, d.curve))
			}
			for _, note := range got.news {
				news = append(news, fmt.Sprintf("- %s: %s\n", k.name, note))
			}
			if err := r.add("| %s | %s | %.1e | %.1e | %.1e `%s` | %.1e | %s |\n", name, k.name, d.loss, d.gradient,
				d.worst, d.where, d.curve, verdict(good)); err != nil {
				return failed, err
			}
		}
	}
	if len(news) > 0 && !o.rehearsal() {
		failed = append(failed, "nodes on the CPU, or steps without CUDA graphs: see the table's notes")
	}
	return failed, r.add("\n%s\n", strings.Join(news, ""))
}

// train runs the steps. SGD's first momentum is the gradient.
func train(ctx context.Context, o options, name string, device ort.Device, k kind) (training, error) {
	var t training
	if k.exact {
		before, was := os.LookupEnv(ort.CUDAVariable)
		if err := os.Setenv(ort.CUDAVariable, before+";use_tf32=0"); err != nil {
			return t, err
		}
		defer func() {
			if was {
				_ = os.Setenv(ort.CUDAVariable, before) // it was set before
			} else {
				_ = os.Unsetenv(ort.CUDAVariable)
			}
		}()
	}
	s, err := open(ctx, name, parityBatch, k.precision, device)
	if err != nil {
		return t, err
	}
	defer s.Close()
	rate := usualRate
	if r, ok := rates[name]; ok {
		rate = r
	}
	for i := range o.steps {
		images, labels := photos(parityBatch, s.ImageSize(), i)
		batch, err := s.Batch(ctx, images, labels, i)
		if err != nil {
			return t, err
		}
		outcome, err := s.Step(ctx, batch, rate)
		if err == nil && i == 0 {
			t.gradients, err = firstGradients(ctx, s, batch, rate)
		}
		batch.Close()
		if err != nil {
			return t, fmt.Errorf("step %d: %w", i+1, err)
		}
		t.losses = append(t.losses, outcome.Loss)
	}
	t.news = s.NewNotes()
	return t, nil
}

// firstGradients returns the gradients of the first step. The loss scale of float16
// begins so high that the step is skipped a few times; it is repeated until it counts.
func firstGradients(ctx context.Context, s *finetune.Trainer, batch *finetune.TrainerBatch,
	rate float64) (map[string][]float32, error) {
	const often = 32 // halvings, more than the scale has bits to lose
	for range often {
		state, err := s.State(ctx)
		if err != nil {
			return nil, err
		}
		if gradients, err := momenta(state); gradients != nil || err != nil {
			return gradients, err
		}
		if _, err := s.Step(ctx, batch, rate); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no step counted: its gradients are not finite at any loss scale")
}

// momenta returns SGD's momenta, by parameter; nil if all are still zero.
func momenta(state *weights.StateDict) (map[string][]float32, error) {
	all, moved := map[string][]float32{}, false
	for _, name := range state.Names() {
		parameter, ok := strings.CutSuffix(name, artifacts.MomentumSuffix)
		if !ok {
			continue
		}
		t, _ := state.Get(name)
		values, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			moved = moved || v != 0
		}
		all[parameter] = values
	}
	if !moved {
		return nil, nil
	}
	return all, nil
}

// difference of two trainings, relative to the second.
type difference struct {
	loss, gradient, worst, curve float64
	where                        string // the worst parameter
}

// zeroShare is the share of the whole gradient below which a parameter's gradient is the
// rounding of an exact zero, for example of a bias before batch normalization.
const zeroShare = 1e-5

func apart(got, want training) difference {
	var d difference
	var square, norm float64
	squares, norms := map[string]float64{}, map[string]float64{}
	for name, b := range want.gradients {
		a := got.gradients[name]
		if len(a) != len(b) {
			return difference{math.NaN(), math.NaN(), math.NaN(), math.NaN(), name + " is missing"}
		}
		for i := range b {
			squares[name] += math.Pow(float64(a[i])-float64(b[i]), 2)
			norms[name] += math.Pow(float64(b[i]), 2)
		}
		square += squares[name]
		norm += norms[name]
	}
	d.gradient = math.Sqrt(square / norm)
	for name := range norms {
		one := math.Sqrt(squares[name] / norms[name])
		if math.Sqrt(norms[name]/norm) > zeroShare && (one > d.worst || math.IsNaN(one)) {
			d.worst, d.where = one, name
		}
	}
	for i, w := range want.losses {
		one := math.Abs(got.losses[i]-w) / w
		if i == 0 {
			d.loss = one
		}
		d.curve = max(d.curve, one) // NaN stays NaN
	}
	return d
}

// photos returns batch i: waves with noise and alternating labels.
func photos(count, size, i int) (images []uint8, labels []int64) {
	images, labels = make([]uint8, count*size*size*3), make([]int64, count)
	state := uint32(i)*2654435761 + 12345
	at := 0
	for n := range count {
		labels[n] = int64((n + i) % 2)
		k := 0.02 + 0.01*float64((n*7+i*3)%11)
		for y := range size {
			for x := range size {
				for c := range 3 {
					state = state*1664525 + 1013904223
					v := 128 + 70*math.Sin(k*(float64(x)+float64(c+1)*float64(y))) + float64(state>>24)/4 - 32
					images[at] = uint8(min(max(v, 0), 255))
					at++
				}
			}
		}
	}
	return images, labels
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// open returns a trainer of a registered network with random weights.
func open(ctx context.Context, network string, batch int, precision string,
	device ort.Device) (*finetune.Trainer, error) {
	o := finetune.Defaults()
	o.Network.Backbone, o.Scratch = network, true
	o.BatchSize, o.Precision, o.Device = batch, precision, device
	return finetune.NewTrainer(ctx, o, 2, progress.Discard)
}
