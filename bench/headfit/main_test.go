package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"fx/head"
	"fx/internal/fail"
)

func measured(t *testing.T, args ...string) measurement {
	t.Helper()
	var out bytes.Buffer
	if err := run(context.Background(), append([]string{"fit", "--json"}, args...), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var m measurement
	decoder := json.NewDecoder(&out)
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if decoder.More() {
		t.Error("more than one JSON document")
	}
	return m
}

func TestFitOfMadeData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := run(context.Background(), []string{"make", "--rows", "300", "--features", "40", "--classes", "3",
		"--seed", "1", "--out", dir}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	m := measured(t, "--data", dir, "--tolerance", "1e-5")
	if m.Rows != 300 || m.Features != 40 || m.Classes != 3 || m.L2 != 1.0/300 {
		t.Errorf("measured %+v", m)
	}
	if !m.Converged || m.GradientMax > 1e-5+1e-7 || m.Iterations < 2 || m.Evaluations < m.Iterations || m.Seconds <= 0 {
		t.Errorf("measured %+v", m)
	}
	if m.Objective >= math.Log(3) || m.ValAccuracy < 0.5 {
		t.Errorf("the objective is %g, val accuracy %g", m.Objective, m.ValAccuracy)
	}
	if s := measured(t, "--data", dir, "--solver", "sgd", "--batch-size", "16", "--epochs", "20", "--repeats",
		"3"); s.Iterations != 20 || len(s.AllSeconds) != 3 || s.Objective >= math.Log(3) {
		t.Errorf("measured %+v", s)
	}
}

func TestMakeIsDrawnBySeed(t *testing.T) {
	made := func(seed uint64) []byte {
		dir := t.TempDir()
		if err := makeData(context.Background(), makeOptions{rows: 30, features: 8, classes: 2, seed: seed,
			out: dir}); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "x.npy"))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	if !bytes.Equal(made(1), made(1)) || bytes.Equal(made(1), made(2)) {
		t.Error("the features don't follow from the seed")
	}
}

// Two rows, by hand: logits of 0 give ln 2 each, and residuals of ±1/2.
func TestObjectiveOfTwoRows(t *testing.T) {
	l := head.Layout{Kind: head.Linear, Features: 1, Positions: 1, Classes: 2}
	d := head.Data{Row: head.Matrix([]float32{3, 1}, 1), Photos: head.SingleViews([]int{0, 1})}
	p := head.Params{Weight: make([]float32, 2), Bias: make([]float32, 2)}
	value, gradient := objective(l, p, d, 0.1)
	if math.Abs(value-math.Ln2) > 1e-15 || gradient != 0.5 {
		t.Errorf("objective %g with the derivative %g, want ln 2 and (3-1)/4", value, gradient)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.npy"), []byte("no features"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{}, {"guess"}, {"make"}, {"fit", "more"}, {"fit", "--data", dir}, {"fit", "--data",
			filepath.Join(dir, "nowhere")},
	} {
		err := run(context.Background(), args, io.Discard, io.Discard)
		if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%v: %v", args, err)
		}
	}
}
