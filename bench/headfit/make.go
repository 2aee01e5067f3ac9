package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"fx/internal/fail"
	"fx/internal/random"
)

type makeOptions struct {
	rows, features, classes int
	seed                    uint64
	out                     string
}

const (
	factors    = 256  // largest number of directions in which clusters vary
	decay      = 0.5  // the k-th direction has the standard deviation k^-decay
	separation = 0.25 // distance of cluster centres, in standard deviations
	noise      = 0.3  // independent noise of each feature, in standard deviations of the rest
)

// makeData draws max(0, mean + mixing·(centre of the class + deviation) + noise), scaled so
// that features are around 1, like those after a ReLU and average pooling.
func makeData(ctx context.Context, o makeOptions) error {
	if o.rows < 1 || o.features < 1 || o.classes < 2 || o.out == "" {
		return fail.New(fail.Usage, "See --help.", "%d rows of %d features and %d classes in the folder %q", o.rows,
			o.features, o.classes, o.out)
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return fail.Wrap(fail.Other, err, "Give --out a folder that can be written.", "can't make the folder")
	}
	g := newGenerator(o)
	if err := g.write(ctx, "", o.rows, 0); err != nil {
		return err
	}
	return g.write(ctx, "val_", (o.rows+19)/20, o.rows)
}

type generator struct {
	options makeOptions
	factors int
	mixing  []float32 // [factors, features]
	mean    []float32 // [features]
	centres []float32 // [classes, factors]
}

func newGenerator(o makeOptions) *generator {
	g := &generator{options: o, factors: min(factors, o.features)}
	s := random.New(o.seed, "headfit mixing")
	var power float64
	for k := range g.factors {
		power += math.Pow(float64(k+1), -2*decay)
	}
	g.mixing = make([]float32, g.factors*o.features)
	for k := range g.factors {
		spread := math.Pow(float64(k+1), -decay) / math.Sqrt(power)
		for j := range o.features {
			g.mixing[k*o.features+j] = float32(spread * s.Normal())
		}
	}
	g.mean, g.centres = make([]float32, o.features), make([]float32, o.classes*g.factors)
	for j := range g.mean {
		g.mean[j] = float32(0.3 * s.Normal())
	}
	for i := range g.centres {
		g.centres[i] = float32(separation * s.Normal())
	}
	return g
}

// write draws rows from first on, in blocks that need little memory.
func (g *generator) write(ctx context.Context, prefix string, rows, first int) error {
	const block = 1024
	o := g.options
	x, err := createNPY(filepath.Join(o.out, prefix+"x.npy"), "<f4", rows, o.features)
	if err != nil {
		return err
	}
	defer x.abandon()
	labels := make([]int64, rows)
	for at := 0; at < rows; at += block {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(block, rows-at)
		values := make([]float32, count*o.features)
		var wait sync.WaitGroup
		workers := runtime.GOMAXPROCS(0)
		for w := range workers {
			from, to := count*w/workers, count*(w+1)/workers
			wait.Go(func() { g.draw(values[from*o.features:to*o.features], labels[at+from:at+to], first+at+from) })
		}
		wait.Wait()
		if err := x.append(floatBytes(values)); err != nil {
			return err
		}
	}
	if err := x.finish(); err != nil {
		return err
	}
	y, err := createNPY(filepath.Join(o.out, prefix+"y.npy"), "<i8", rows)
	if err != nil {
		return err
	}
	defer y.abandon()
	if err := y.append(intBytes(labels)); err != nil {
		return err
	}
	return y.finish()
}

// draw fills the rows from first on.
func (g *generator) draw(x []float32, labels []int64, first int) {
	d, count := g.options.features, len(labels)
	where := make([]float32, count*g.factors)
	for i := range labels {
		s := random.New(g.options.seed, "headfit row", uint64(first+i))
		label := s.IntN(g.options.classes)
		labels[i] = int64(label)
		for k := range g.factors {
			where[i*g.factors+k] = g.centres[label*g.factors+k] + float32(s.Normal())
		}
		for j := range d { // uniform noise is as good as normal, and quicker
			x[i*d+j] = g.mean[j] + float32(noise*math.Sqrt(12)*(s.Float64()-0.5))
		}
	}
	if count > 0 {
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, count, d, g.factors, 1, where, g.factors, g.mixing,
			d, 1, x, d)
	}
	for i, v := range x {
		x[i] = max(v, 0)
	}
}
