package main

import (
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/floats"

	"fx/head"
)

// objective returns mean cross entropy + l2/2·Σ weight² and its largest absolute
// derivative, entirely in float64 and without package head's code.
func objective(l head.Layout, p head.Params, d head.Data, l2 float64) (value, gradientMax float64) {
	weight, bias := widened(p.Weight), widened(p.Bias)
	workers := runtime.GOMAXPROCS(0)
	sums, gradients := make([]float64, workers), make([][]float64, workers)
	var wait sync.WaitGroup
	for w := range workers {
		from, to := len(d.Photos)*w/workers, len(d.Photos)*(w+1)/workers
		gradients[w] = make([]float64, len(weight)+len(bias))
		wait.Go(func() { sums[w] = addObjective(l, weight, bias, d, from, to, gradients[w]) })
	}
	wait.Wait()
	gradient := gradients[0]
	for _, other := range gradients[1:] {
		floats.Add(gradient, other)
	}
	rows := float64(len(d.Photos))
	floats.Scale(1/rows, gradient)
	floats.AddScaled(gradient[:len(weight)], l2, weight)
	for _, g := range gradient {
		gradientMax = math.Max(gradientMax, math.Abs(g))
	}
	return floats.Sum(sums)/rows + l2/2*floats.Dot(weight, weight), gradientMax
}

// addObjective adds the sums over photos [from, to) to gradient (weight, then bias).
func addObjective(l head.Layout, weight, bias []float64, d head.Data, from, to int, gradient []float64) (loss float64) {
	const block = 256
	k, f := l.Classes, l.Features
	x, z := make([]float64, block*f), make([]float64, block*k)
	buffer := make([]float32, f)
	for ; from < to; from += block {
		count := min(block, to-from)
		for i := range count {
			for j, v := range d.Row(d.Photos[from+i].Rows[0], buffer) {
				x[i*f+j] = float64(v)
			}
			copy(z[i*k:(i+1)*k], bias)
		}
		gonum.Implementation{}.Dgemm(blas.NoTrans, blas.Trans, count, k, f, 1, x, f, weight, f, 1, z, k)
		for i := range count {
			logits, label := z[i*k:(i+1)*k], d.Photos[from+i].Label
			logSum := floats.LogSumExp(logits)
			loss += logSum - logits[label]
			for c := range logits {
				logits[c] = math.Exp(logits[c] - logSum)
			}
			logits[label]--
			floats.Add(gradient[len(weight):], logits)
		}
		gonum.Implementation{}.Dgemm(blas.Trans, blas.NoTrans, k, f, count, 1, z, k, x, f, 1, gradient[:len(weight)], f)
	}
	return loss
}

func widened(v []float32) []float64 {
	wide := make([]float64, len(v))
	for i, x := range v {
		wide[i] = float64(x)
	}
	return wide
}
