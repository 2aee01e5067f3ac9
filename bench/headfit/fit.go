package main

import (
	"context"
	"path/filepath"
	"runtime"
	"unsafe"

	"fx/bench/internal/stats"
	"fx/head"
	"fx/internal/fail"
	"fx/internal/machine"
)

type fitOptions struct {
	solver, data  string
	tolerance     float64
	batch, epochs int
	repeats       int
}

// measurement is the output of fit and the peers.
type measurement struct {
	Tool         string    `json:"tool"`
	Solver       string    `json:"solver"`
	Rows         int       `json:"rows"`
	Features     int       `json:"features"`
	Classes      int       `json:"classes"`
	Threads      int       `json:"threads"`
	L2           float64   `json:"l2"`        // 0 of SGD
	Tolerance    float64   `json:"tolerance"` // of L-BFGS
	BatchSize    int       `json:"batch_size"`
	Epochs       int       `json:"epochs"`
	Seconds      float64   `json:"seconds"`     // median of AllSeconds
	AllSeconds   []float64 `json:"all_seconds"` // of each repeat
	Iterations   int       `json:"iterations"`
	Evaluations  int       `json:"evaluations"`
	Converged    bool      `json:"converged"`
	Objective    float64   `json:"objective"`
	GradientMax  float64   `json:"gradient_max"`
	ValAccuracy  float64   `json:"val_accuracy"`
	PeakRSSBytes int64     `json:"peak_rss_bytes"` // at the end of the fits
}

func fit(ctx context.Context, o fitOptions) (measurement, error) {
	train, layout, err := readData(o.data, "", 0)
	if err != nil {
		return measurement{}, err
	}
	val, _, err := readData(o.data, "val_", layout.Classes)
	if err != nil {
		return measurement{}, err
	}
	m := measurement{
		Tool: "fx", Solver: o.solver, Rows: len(train.Photos), Features: layout.Features, Classes: layout.Classes,
		Threads: runtime.GOMAXPROCS(0),
	}
	var options head.Options
	validation := val
	switch o.solver {
	case "lbfgs":
		m.L2, m.Tolerance = 1/float64(m.Rows), o.tolerance
		options = head.Options{Solver: head.LBFGS, Tolerance: o.tolerance}
		validation = head.Data{} // scikit-learn does not evaluate during a fit
	case "sgd":
		m.BatchSize, m.Epochs = o.batch, o.epochs
		options = head.Defaults()
		options.BatchSize, options.Epochs = o.batch, o.epochs
	default:
		return measurement{}, fail.New(fail.Usage, "It is lbfgs or sgd.", "--solver %s", o.solver)
	}
	var result head.Result
	for range max(o.repeats, 1) {
		if result, err = head.Fit(ctx, layout, train, validation, options, nil); err != nil {
			return measurement{}, err
		}
		m.AllSeconds = append(m.AllSeconds, result.Seconds)
	}
	m.Seconds = stats.Median(m.AllSeconds)
	m.PeakRSSBytes, _ = machine.Peak() // 0 if the system does not report it
	m.Iterations, m.Evaluations, m.Converged = len(result.Epochs), result.Evaluations, result.Converged
	metrics, err := head.Evaluate(ctx, layout, result.Params, val)
	if err != nil {
		return measurement{}, err
	}
	m.ValAccuracy = metrics.Accuracy
	m.Objective, m.GradientMax = objective(layout, result.Params, train, m.L2)
	return m, nil
}

// readData reads the rows whose files begin with prefix. If classes is 0, the labels determine it.
func readData(dir, prefix string, classes int) (head.Data, head.Layout, error) {
	x, rows, columns, err := readNPY(filepath.Join(dir, prefix+"x.npy"), "<f4")
	if err != nil {
		return head.Data{}, head.Layout{}, err
	}
	y, count, _, err := readNPY(filepath.Join(dir, prefix+"y.npy"), "<i8")
	if err != nil {
		return head.Data{}, head.Layout{}, err
	}
	if rows != count {
		return head.Data{}, head.Layout{}, fail.New(fail.Usage, "Write the folder with headfit make.",
			"%s has %d rows of features and %d labels", dir, rows, count)
	}
	labels := make([]int, rows)
	for i, label := range unsafe.Slice((*int64)(unsafe.Pointer(&y[0])), rows) {
		labels[i] = int(label)
		if prefix == "" {
			classes = max(classes, int(label)+1)
		}
	}
	values := unsafe.Slice((*float32)(unsafe.Pointer(&x[0])), rows*columns)
	data := head.Data{Row: head.Matrix(values, columns), Photos: head.SingleViews(labels)}
	return data, head.Layout{Kind: head.Linear, Features: columns, Positions: 1, Classes: classes}, nil
}
