package ort

import (
	"slices"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// The tests named TestCUDA… need a GPU: bench/gpucheck requires it of them.
func needGPU(t *testing.T) *Runtime {
	t.Helper()
	rt := testRuntime(t)
	if _, err := rt.cudaReady(0); err != nil {
		testenv.Lacks(t, testenv.GPU, "no CUDA here: %v", err)
	}
	return rt
}

func TestCUDAComputes(t *testing.T) {
	needGPU(t)
	s := newSession(t, sums(), SessionOptions{Device: CUDA})
	images, features := slices.Repeat([]uint8{2}, 8*8*3), make([]float32, 2*8*8)
	if err := s.Run(t.Context(), []Tensor{NewTensor(images, 1, 8, 8, 3)},
		[]Tensor{NewTensor(features, 1, 2, 8, 8)}); err != nil {
		t.Fatal(err)
	}
	if features[0] != 24 || features[1] != 36 || features[9] != 54 { // 12, 18 and 27 neighbours
		t.Errorf("corner, edge and inside are %v, %v, %v", features[0], features[1], features[9])
	}
	for key, value := range cudaDefaults() {
		if got := s.ProviderOptions()["cuda."+key]; got != value {
			t.Errorf("option %s is %q, want %q", key, got, value)
		}
	}
}

func TestCUDACopies(t *testing.T) {
	needGPU(t)
	s, _ := capturing(t)
	value := func(make func(DType, ...int64) (*Value, error)) *Value {
		v, err := make(Float32T, 1000)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	from, to, one, other := value(s.NewHostValue), value(s.NewHostValue), value(s.NewValue), value(s.NewValue)
	want := Data[float32](from.Tensor())
	for i := range want {
		want[i] = float32(i) - 500
	}
	if !from.OnHost() || one.OnHost() {
		t.Fatalf("on the host: %v, %v", from.OnHost(), one.OnHost())
	}
	for _, transfer := range []Transfer{{one, from}, {other, one}, {to, other}} {
		if err := s.Copy(t.Context(), transfer); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(Data[float32](to.Tensor()), want) {
		t.Error("there and back, values changed")
	}
	if err := s.Clear(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	got := slices.Repeat([]float32{7}, 1000)
	if err := s.Download(t.Context(), NewTensor(got, 1000), one); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(got, func(v float32) bool { return v != 0 }) {
		t.Error("cleared values are not zero")
	}
	if err := s.Upload(t.Context(), one, NewTensor(want, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Download(t.Context(), NewTensor(got, 1000), one); err != nil || !slices.Equal(got, want) {
		t.Errorf("values of Go's memory changed, %v", err)
	}
}

// A recording reads its inputs anew in each replay, and the state goes on.
func TestCUDAGraphsComputeWhatRunsDo(t *testing.T) {
	needGPU(t)
	s, b := capturing(t)
	if err := s.Upload(t.Context(), b.state[0], NewTensor([]float32{0, 1, 2, 3, 4, 5}, 2, 3)); err != nil {
		t.Fatal(err)
	}
	want := float32(15)
	for i := range 12 {
		by := float32(i)
		if err := s.Upload(t.Context(), b.by, NewTensor([]float32{by})); err != nil {
			t.Fatal(err)
		}
		if err := b.bindings[i%2].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want += 6 * by
		got := make([]float32, 1)
		if err := s.Download(t.Context(), NewTensor(got), b.total); err != nil {
			t.Fatal(err)
		}
		if got[0] != want {
			t.Fatalf("after run %d the sum is %v, want %v", i, got[0], want)
		}
	}
	if !s.Captures() {
		t.Errorf("it ran without recordings: %s", s.CaptureProblem())
	}
}

func TestCUDACtrlC(t *testing.T) {
	if testenv.IsChild() {
		pressAfterEachStep(t)
		return
	}
	needGPU(t)
	if text, err := testenv.Rerun(t); err != nil || !strings.Contains(text, "every signal arrived") {
		t.Errorf("%v: %s", err, text)
	}
}
