package head

import (
	"context"
	"errors"

	"gonum.org/v1/gonum/floats"

	"fx/internal/kernels"
)

// moments are the mean of the features and the lower triangle of their covariance
// [features, features].
type moments struct {
	mean  []float64
	lower []float32
}

// covarianceRows is the largest number of rows per feature for the covariance: twice as
// many save one evaluation in fifteen, half as many cost two.
const covarianceRows = 4

// estimateMoments estimates the moments from some of the samples, evenly spaced.
func estimateMoments(ctx context.Context, l Layout, d Data, samples []sample) (*moments, error) {
	n := l.Features
	count := min(covarianceRows*n, len(samples))
	c := &covarianceOf{rows: newFullBatch[float32](l, d, samples[:1], nil), mean: make([]float64, n),
		lower: make([]float32, n*n)}
	c.rows.samples = make([]sample, count)
	for i := range c.rows.samples {
		c.rows.samples[i] = samples[i*len(samples)/count]
	}
	if err := c.average(ctx); err != nil {
		return nil, err
	}
	for from := 0; from < count; from += blockRows {
		if err := c.add(ctx, from, min(blockRows, count-from)); err != nil {
			return nil, err
		}
	}
	scale := 1 / float32(count)
	for i := range c.lower {
		c.lower[i] *= scale
	}
	return &moments{c.mean, c.lower}, nil
}

type covarianceOf struct {
	rows    *fullBatch[float32] // as the source of features
	mean    []float64
	centred []float32 // [block, features]
	turned  []float32 // [features, block]
	lower   []float32
}

func (c *covarianceOf) average(ctx context.Context) error {
	c.rows.roomFor(1)
	for i := range c.rows.samples {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := c.rows.rowOf(i, c.rows.scratch[0])
		if err != nil {
			return err
		}
		for j, v := range row {
			c.mean[j] += float64(v)
		}
	}
	floats.Scale(1/float64(len(c.rows.samples)), c.mean)
	return nil
}

// add adds the products of count centred rows to the lower triangle.
func (c *covarianceOf) add(ctx context.Context, from, count int) error {
	n := len(c.mean)
	c.centred, c.turned = resized(c.centred, count*n), resized(c.turned, count*n)
	tasks := (count + taskRows - 1) / taskRows
	errs := make([]error, tasks)
	parallel(c.rows.workers(tasks, count*n*n), tasks, func(worker, i int) {
		first, rows := i*taskRows, min(taskRows, count-i*taskRows)
		part := c.centred[first*n : (first+rows)*n]
		if errs[i] = c.rows.gather(c.rows.scratch[worker], from+first, part); errs[i] != nil {
			return
		}
		for r := range rows {
			for j, m := range c.mean {
				part[r*n+j] -= float32(m)
			}
		}
		kernels.Transpose(c.turned[first:], count, part, n, rows, n)
	})
	width := kernels.Panel[float32]()
	tasks = (n + width - 1) / width
	parallel(c.rows.workers(tasks, count*n*n), tasks, func(worker, i int) {
		if ctx.Err() != nil {
			return
		}
		column := i * width
		p := &c.rows.packed[worker]
		p.Pack(c.centred[column:], n, count, min(width, n-column))
		kernels.Multiply(c.lower[column*n+column:], n, c.turned[column*count:], count, n-column, *p, true)
	})
	return errors.Join(append(errs, ctx.Err())...)
}
