package head

import (
	"context"
	"math"
	"unsafe"

	"gonum.org/v1/gonum/floats"

	"fx/internal/fail"
	"fx/internal/kernels"
)

// fullBatch computes the loss of a linear head on many samples and its gradient, block
// by block: the logits of a block, then its share of the gradient. With few classes it
// computes both for some rows at a time, so that it reads memory once. It never stores
// all logits or copies of the features. Rows and columns are divided among goroutines
// and every sum has a fixed order, so that the result has the same bits for any number
// of goroutines.
type fullBatch[T number] struct {
	layout  Layout
	row     func(i int, buffer []float32) []float32
	samples []sample
	labels  []int32
	weights []T // of each sample in the mean loss; they sum to 1

	weight    kernels.Packed[T]   // transposed, for many classes
	direct    []T                 // weight unchanged, for few classes
	bias      []T                 // [classes]
	gradient  []T                 // [classes, features]
	shares    []T                 // [tasks, classes, features] of the gradient, for few classes
	logits    []T                 // [block, pitch], then the gradient of the logits for many classes
	residuals []T                 // [classes, block], its transpose
	losses    []float64           // [block]
	gathered  []T                 // [block, features], if the rows of a block are not contiguous
	ones      []T                 // [block]
	sums      []T                 // [classes]
	packed    []kernels.Packed[T] // some columns of a block's features, one for each goroutine
	scratch   [][]float32         // one row, for each goroutine
}

// Sizes of the pieces of a fullBatch.
const (
	blockRows = 1536    // their logits and residuals stay in the last cache
	taskRows  = 96      // rows of a block that one goroutine takes at a time
	fewLogits = 16      // number of classes up to which packing costs more than it saves
	worthTwo  = 1 << 19 // number of multiplications from which a second goroutine pays
)

func newFullBatch[T number](l Layout, d Data, samples []sample, classWeights []float64) *fullBatch[T] {
	f := &fullBatch[T]{layout: l, row: d.Row, samples: samples, labels: make([]int32, len(samples)),
		weights: make([]T, len(samples))}
	o := objective{classWeights: classWeights}
	var total float64
	for _, s := range samples {
		total += o.weight(s.label)
	}
	for i, s := range samples {
		f.labels[i], f.weights[i] = int32(s.label), T(o.weight(s.label)/total)
	}
	rows := min(blockRows, len(samples))
	f.bias, f.sums = make([]T, l.Classes), make([]T, l.Classes)
	f.gradient = make([]T, l.Classes*l.Features)
	f.logits, f.residuals = make([]T, rows*f.pitch()), make([]T, rows*l.Classes)
	f.losses, f.ones = make([]float64, rows), make([]T, rows)
	for i := range f.ones {
		f.ones[i] = 1
	}
	return f
}

// pitch returns the distance of two rows of logits.
func (f *fullBatch[T]) pitch() int {
	return (f.layout.Classes + kernels.Lanes - 1) / kernels.Lanes * kernels.Lanes
}

// at computes loss and number of correct samples at the parameters x = (weight,
// bias), and writes the gradient to grad.
func (f *fullBatch[T]) at(ctx context.Context, x, grad []float64) (outcome, error) {
	l := f.layout
	w := l.Classes * l.Features
	f.direct = resized(f.direct, w)
	convert(f.direct, x[:w])
	convert(f.bias, x[w:])
	if l.Classes > fewLogits {
		f.weight.PackTransposed(f.direct, l.Features, l.Features, l.Classes)
	}
	clear(f.gradient)
	clear(grad[w:])
	var out outcome
	for from := 0; from < len(f.samples); from += blockRows {
		if err := f.block(ctx, from, min(blockRows, len(f.samples)-from), grad[w:], &out); err != nil {
			return outcome{}, err
		}
	}
	convert(grad[:w], f.gradient)
	return out, nil
}

// survey reads some of the samples, evenly spaced, and returns the mean of each feature
// and roughly the smallest derivative that f's arithmetic distinguishes from 0: it rounds
// each product of a residual and a feature, and the logits before.
func (f *fullBatch[T]) survey(ctx context.Context) (mean []float64, resolution float64, err error) {
	const surveyed = 256
	f.roomFor(1)
	n := min(surveyed, len(f.samples))
	mean, sizes := make([]float64, f.layout.Features), make([]float64, f.layout.Features)
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		row, err := f.rowOf(i*len(f.samples)/n, f.scratch[0])
		if err != nil {
			return nil, 0, err
		}
		for j, v := range row {
			mean[j] += float64(v)
			sizes[j] += math.Abs(float64(v))
		}
	}
	floats.Scale(1/float64(n), mean)
	return mean, 0x1p-22 * (1 + norm(sizes)/float64(n)), nil
}

// block adds the contribution of count samples.
func (f *fullBatch[T]) block(ctx context.Context, from, count int, gradBias []float64, out *outcome) error {
	l := f.layout
	work := count * l.Features * l.Classes
	whole, err := f.whole(from, count)
	if err != nil {
		return err
	}
	features := whole
	if whole == nil {
		f.gathered = resized(f.gathered, min(blockRows, len(f.samples))*l.Features)
		features = f.gathered
	}
	tasks := (count + taskRows - 1) / taskRows
	workers := f.workers(tasks, work)
	share := 0 // values that each task has in f.shares
	if l.Classes <= fewLogits {
		share = l.Classes * l.Features
		f.shares = resized(f.shares, tasks*share)
	}
	hits, errs := make([]int, tasks), make([]error, tasks)
	parallel(workers, tasks, func(worker, i int) {
		first := i * taskRows
		rows := min(taskRows, count-first)
		if errs[i] = ctx.Err(); errs[i] != nil {
			return
		}
		if whole == nil {
			if errs[i] = f.gather(f.scratch[worker], from+first,
				features[first*l.Features:(first+rows)*l.Features]); errs[i] != nil {
				return
			}
		}
		hits[i] = f.evaluate(from+first, first, rows, count, features[first*l.Features:])
		if share > 0 { // now, while the rows are in a near cache
			to := f.shares[i*share : (i+1)*share]
			clear(to)
			kernels.AddProduct(to, l.Features, f.residuals[first:], count, l.Classes, rows,
				features[first*l.Features:], l.Features, l.Features)
		}
	})
	for i := range tasks {
		if errs[i] != nil {
			return errs[i]
		}
		out.correct += hits[i]
	}
	for i := range count {
		out.loss += f.losses[i] * float64(f.weights[from+i])
	}
	if share > 0 {
		f.addShares(tasks)
	} else {
		f.addProduct(ctx, features, count)
	}
	kernels.MultiplyTransposed(f.sums, 1, f.residuals, count, l.Classes, count, f.ones, count, 1)
	for c, sum := range f.sums {
		gradBias[c] += float64(sum)
	}
	return ctx.Err()
}

// addShares adds the shares of all tasks to the gradient, in their order.
func (f *fullBatch[T]) addShares(tasks int) {
	size := len(f.gradient)
	each(size, func(from, to int) {
		for i := range tasks {
			addTo(f.gradient[from:to], f.shares[i*size+from:i*size+to])
		}
	})
}

// addProduct adds the product of a block's residuals and features to the gradient.
func (f *fullBatch[T]) addProduct(ctx context.Context, features []T, count int) {
	const panels = 2 // of columns that a goroutine takes at a time
	l := f.layout
	width := panels * kernels.Panel[T]()
	tasks := (l.Features + width - 1) / width
	parallel(f.workers(tasks, count*l.Features*l.Classes), tasks, func(worker, i int) {
		if ctx.Err() != nil { // the next block returns the error
			return
		}
		column := i * width
		p := &f.packed[worker]
		p.Pack(features[column:], l.Features, count, min(width, l.Features-column))
		kernels.Multiply(f.gradient[column:], l.Features, f.residuals, count, l.Classes, *p, true)
	})
}

// evaluate computes residuals, losses and the number of correct samples from the features
// of rows samples, which begin at first of a block of count.
func (f *fullBatch[T]) evaluate(sample, first, rows, count int, features []T) (hits int) {
	l, pitch := f.layout, f.pitch()
	logits := f.logits[first*pitch : (first+rows)*pitch]
	if l.Classes > fewLogits {
		for i := range rows {
			copy(logits[i*pitch:], f.bias)
		}
		kernels.Multiply(logits, pitch, features, l.Features, rows, f.weight, true)
	} else {
		kernels.MultiplyTransposed(logits, pitch, features, l.Features, rows, l.Features, f.direct, l.Features,
			l.Classes)
		for i := range rows {
			for c, b := range f.bias {
				logits[i*pitch+c] += b
			}
		}
	}
	labels, weights, losses := f.labels[sample:sample+rows], f.weights[sample:sample+rows], f.losses[first:first+rows]
	residuals := f.residuals[first:]
	if z, single := any(residuals).([]float32); single && l.Classes <= fewLogits {
		kernels.Transpose(residuals, count, logits, pitch, rows, l.Classes)
		return kernels.SoftmaxColumns(z, count, l.Classes, labels, any(weights).([]float32), losses)
	}
	switch z := any(logits).(type) {
	case []float32:
		hits = kernels.Softmax(z, pitch, l.Classes, labels, any(weights).([]float32), losses)
	case []float64:
		hits = softmaxRows(z, pitch, l.Classes, labels, any(weights).([]float64), losses)
	}
	kernels.Transpose(residuals, count, logits, pitch, rows, l.Classes)
	return hits
}

// softmaxRows is kernels.Softmax in float64.
func softmaxRows(z []float64, pitch, classes int, labels []int32, weights, losses []float64) (hits int) {
	for i, label := range labels {
		row, weight := z[i*pitch:i*pitch+classes], weights[i]
		if argmax(row) == int(label) {
			hits++
		}
		own := row[label]
		losses[i] = softmax(row, row) - own
		row[label]--
		for c := range row {
			row[c] *= weight
		}
	}
	return hits
}

// gather copies the features of samples from the first on.
func (f *fullBatch[T]) gather(buffer []float32, first int, to []T) error {
	width := f.layout.Features
	for i := 0; i*width < len(to); i++ {
		row, err := f.rowOf(first+i, buffer)
		if err != nil {
			return err
		}
		widen(to[i*width:(i+1)*width], row)
	}
	return nil
}

func (f *fullBatch[T]) rowOf(i int, buffer []float32) ([]float32, error) {
	row := f.row(f.samples[i].row, buffer)
	if len(row) != f.layout.Features {
		return nil, fail.New(fail.Usage, "The features must come from the backbone that the head is made for.",
			"row %d has %d values, the head reads %d", f.samples[i].row, len(row), f.layout.Features)
	}
	return row, nil
}

// whole returns the features of count samples if they are contiguous in memory, in the
// arithmetic of f; nil if they must be gathered.
func (f *fullBatch[T]) whole(from, count int) ([]T, error) {
	var zero T
	f.roomFor(1)
	if unsafe.Sizeof(zero) != 4 || count < 1 {
		return nil, nil
	}
	start, err := f.rowOf(from, f.scratch[0])
	if err != nil || &start[0] == &f.scratch[0][0] {
		return nil, err
	}
	stride := uintptr(f.layout.Features) * 4
	base := uintptr(unsafe.Pointer(&start[0]))
	for i := 1; i < count; i++ {
		row, err := f.rowOf(from+i, f.scratch[0])
		if err != nil {
			return nil, err
		}
		if uintptr(unsafe.Pointer(&row[0])) != base+uintptr(i)*stride {
			return nil, nil
		}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&start[0])), count*f.layout.Features), nil
}

// workers returns the number of goroutines for tasks of work multiplications each, and
// allocates their memory.
func (f *fullBatch[T]) workers(tasks, work int) int {
	n := workersFor(tasks)
	if work < worthTwo {
		n = 1
	}
	f.roomFor(n)
	return n
}

func (f *fullBatch[T]) roomFor(workers int) {
	for len(f.packed) < workers {
		f.packed = append(f.packed, kernels.Packed[T]{})
		f.scratch = append(f.scratch, make([]float32, f.layout.Features))
	}
}

func resized[T number](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}

// convert copies src to dst in the arithmetic of dst.
func convert[A, B number](dst []A, src []B) {
	for i, v := range src {
		dst[i] = A(v)
	}
}

// norm returns the largest absolute value, or NaN if v has one.
func norm(v []float64) float64 {
	var largest float64
	for _, x := range v {
		largest = max(largest, math.Abs(x))
	}
	return largest
}
