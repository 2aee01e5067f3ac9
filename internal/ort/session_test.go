package ort

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/testenv"
)

func TestOneLibraryAProcess(t *testing.T) {
	rt := testRuntime(t)
	again, err := Load(rt.Library().Path)
	if err != nil || again != rt {
		t.Errorf("loading again: %v, the same: %v", err, again == rt)
	}
	other := testenv.FakeRuntime(t, filepath.Join(t.TempDir(), "libonnxruntime.so"), "1.31.1", "")
	if _, err := Load(other); fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), "is loaded already") {
		t.Errorf("another library: %v", err)
	}
}

func newSession(t testing.TB, model []byte, options SessionOptions) *Session {
	t.Helper()
	s, err := testRuntime(t).NewSession(model, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// network is `depth` 3×3 convolutions with ReLU over [batch,channels,size,size],
// then global average and a Gemm to 10 values: every kind of work that backbones do.
func network(depth, channels, size int) []byte {
	r := rand.New(rand.NewSource(1))
	random := func(name string, shape ...int64) *pb.TensorProto {
		count, _ := elements(shape)
		values := make([]float32, count)
		for i := range values {
			values[i] = float32(r.NormFloat64()) * 0.1
		}
		return onnx.NewFloat32(name, shape, values)
	}
	c := int64(channels)
	var n nodes
	var all weights
	last := "x"
	for i := range depth {
		w, y, z := fmt.Sprint("w", i), fmt.Sprint("y", i), fmt.Sprint("z", i)
		all = append(all, random(w, c, c, 3, 3))
		n = append(n, onnxNode("Conv", []string{last, w}, []string{y}, onnx.Ints("pads", 1, 1, 1, 1)),
			onnxNode("Relu", []string{y}, []string{z}))
		last = z
	}
	n = append(n, onnxNode("GlobalAveragePool", []string{last}, []string{"pooled"}),
		onnxNode("Flatten", []string{"pooled"}, []string{"flat"}),
		onnxNode("Gemm", []string{"flat", "fc"}, []string{"out"}))
	all = append(all, random("fc", c, 10))
	return onnxModel(n, all,
		values{onnxValue("x", Float32T, "batch", channels, size, size)},
		values{onnxValue("out", Float32T, "batch", 10)})
}

func randomFloats(n int, seed int64) []float32 {
	r := rand.New(rand.NewSource(seed))
	all := make([]float32, n)
	for i := range all {
		all[i] = r.Float32()
	}
	return all
}

func TestSessionDescribesItself(t *testing.T) {
	s := newSession(t, sums(), SessionOptions{Device: CPU, Threads: 1})
	in, out := s.Inputs()[0], s.Outputs()[0]
	if in.Name != "images" || in.DType != Uint8T || !slices.Equal(in.Shape, []int64{-1, 8, 8, 3}) ||
		in.Symbols[0] != "batch" {
		t.Errorf("input %+v", in)
	}
	if out.Name != "features" || out.DType != Float32T || !slices.Equal(out.Shape, []int64{-1, 2, 8, 8}) {
		t.Errorf("output %+v", out)
	}
	if s.Metadata()["fx.key"] != "value" {
		t.Errorf("metadata %v", s.Metadata())
	}
	if s.Provider() != "CPUExecutionProvider" || s.Device() != CPU || s.Why() != "cpu: asked for" {
		t.Errorf("on %s, %s: %s", s.Provider(), s.Device(), s.Why())
	}
	if o := s.ProviderOptions(); o["intra_op_num_threads"] != "1" || o["graph_optimization"] != "all" {
		t.Errorf("options %v", o)
	}
}

// Every element type that fx feeds or reads passes through unchanged, written
// in place or into memory that ONNX Runtime allocates.
func TestElementTypes(t *testing.T) {
	try := func(name string, in Tensor, out Tensor, same func(Tensor) bool) {
		t.Helper()
		model := onnxModel(nodes{onnxNode("Identity", []string{"x"}, []string{"y"})}, nil,
			values{onnxValue("x", in.DType(), "n", 3)}, values{onnxValue("y", in.DType(), "n", 3)})
		s := newSession(t, model, SessionOptions{Device: CPU, Threads: 1})
		outputs := []Tensor{out}
		if err := s.Run(t.Context(), []Tensor{in}, outputs); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !same(out) {
			t.Errorf("%s: in place %v", name, out)
		}
		outputs[0] = Tensor{}
		if err := s.Run(t.Context(), []Tensor{in}, outputs); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !same(outputs[0]) || !slices.Equal(outputs[0].Shape(), []int64{2, 3}) {
			t.Errorf("%s: allocated %v", name, outputs[0])
		}
	}
	half := func(bits []uint16) Tensor {
		t := NewTensor(bits, 2, 3)
		t.dtype = float16T
		return t
	}
	floats, halves, whole, bytes := []float32{1, -2, 3e9, 0, 5, 6}, []uint16{0x3c00, 1, 2, 3, 4, 0x7bff}, []int64{1,
		-1 << 62, 3, 4, 5, 6}, []uint8{0, 255, 2, 3, 4, 5}
	try("float32", NewTensor(floats, 2, 3), NewTensor(make([]float32, 6), 2, 3), func(o Tensor) bool {
		return slices.Equal(Data[float32](o), floats)
	})
	try("float16", half(halves), half(make([]uint16, 6)), func(o Tensor) bool {
		return slices.Equal(Data[uint16](o), halves)
	})
	try("int64", NewTensor(whole, 2, 3), NewTensor(make([]int64, 6), 2, 3), func(o Tensor) bool {
		return slices.Equal(Data[int64](o), whole)
	})
	try("uint8", NewTensor(bytes, 2, 3), NewTensor(make([]uint8, 6), 2, 3), func(o Tensor) bool {
		return slices.Equal(Data[uint8](o), bytes)
	})
}

func TestEmptyBatch(t *testing.T) {
	model := onnxModel(nodes{onnxNode("Relu", []string{"x"}, []string{"y"})}, nil,
		values{onnxValue("x", Float32T, "n", 3)}, values{onnxValue("y", Float32T, "n", 3)})
	s := newSession(t, model, SessionOptions{Device: CPU, Threads: 1})
	outputs := make([]Tensor, 1)
	if err := s.Run(t.Context(), []Tensor{NewTensor([]float32(nil), 0, 3)}, outputs); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outputs[0].Shape(), []int64{0, 3}) || len(Data[float32](outputs[0])) != 0 {
		t.Errorf("output %v", outputs[0])
	}
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	s := newSession(t, sums(), SessionOptions{Device: CPU, Threads: 1})
	pixels, features := make([]uint8, 192), make([]float32, 128)
	good, out := NewTensor(pixels, 1, 8, 8, 3), NewTensor(features, 1, 2, 8, 8)
	for name, c := range map[string]struct {
		in, out []Tensor
		want    string
	}{
		"no input": {nil, []Tensor{out}, "takes 1 inputs and gives 1 outputs, not 0 and 1"},
		"another type": {[]Tensor{NewTensor(make([]float32, 192), 1, 8, 8, 3)}, []Tensor{out},
			`input "images": is uint8, and a tensor of float32`},
		"another shape": {[]Tensor{NewTensor(pixels, 1, 3, 8, 8)}, []Tensor{out},
			`has shape [-1 8 8 3], and [1 3 8 8] was given`},
		"too little data": {[]Tensor{NewTensor(pixels, 2, 8, 8, 3)}, []Tensor{out},
			"has 384 elements, and 192 were given"},
		"a negative size": {[]Tensor{NewTensor(pixels, -1, 8, 8, 3)}, []Tensor{out}, "out of bounds"},
		"an overflow":     {[]Tensor{NewTensor(pixels, 1<<40, 1<<40, 8, 3)}, []Tensor{out}, "out of bounds"},
		"an output's shape": {[]Tensor{good}, []Tensor{NewTensor(features, 2, 8, 8, 1)},
			`output "features": has shape`},
		"an output's batch": {[]Tensor{good}, []Tensor{NewTensor(make([]float32, 256), 2, 2, 8, 8)},
			"running the network"},
	} {
		err := s.Run(t.Context(), c.in, c.out)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
		if fail.KindOf(err) != fail.Model {
			t.Errorf("%s: kind %d", name, fail.KindOf(err))
		}
	}
	if err := s.Run(t.Context(), []Tensor{good}, []Tensor{out}); err != nil {
		t.Errorf("after all the refusals: %v", err)
	}
}

func TestABrokenModelIsAnErrorOfTheModel(t *testing.T) {
	rt := testRuntime(t)
	for name, model := range map[string][]byte{
		"empty": nil, "text": []byte("no model"), "cut short": sums()[:100],
		"unknown op": onnxModel(nodes{onnxNode("NoSuchOp", []string{"x"}, []string{"y"})}, nil,
			values{onnxValue("x", Float32T, 1)}, values{onnxValue("y", Float32T, 1)}),
	} {
		if _, err := rt.NewSession(model, SessionOptions{Device: CPU}); fail.KindOf(err) != fail.Model {
			t.Errorf("%s: kind %d of %v", name, fail.KindOf(err), err)
		}
	}
	if _, err := rt.NewSession(sums(), SessionOptions{Optimization: "most"}); fail.KindOf(err) != fail.Usage {
		t.Errorf("unknown optimization: %v", err)
	}
}

func TestSessionWithProfile(t *testing.T) {
	dir := t.TempDir()
	s, err := testRuntime(t).NewSession(sums(), SessionOptions{Device: CPU, Threads: 1,
		ProfilePrefix: filepath.Join(dir, "profile")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), []Tensor{NewTensor(make([]uint8, 192), 1, 8, 8, 3)}, make([]Tensor, 1)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	profiles, _ := filepath.Glob(filepath.Join(dir, "profile*.json"))
	if len(profiles) != 1 {
		t.Fatalf("profiles %v", profiles)
	}
	if text, _ := os.ReadFile(profiles[0]); !strings.Contains(string(text), "Conv") {
		t.Error("the profile names no Conv")
	}
}

// One session, one thread each, many goroutines: the same bits as one after the
// other. extract runs the CPU so.
func TestConcurrentRunsGiveTheBitsOfSerialOnes(t *testing.T) {
	const batch, goroutines, rounds = 4, 4, 6
	s := newSession(t, network(4, 16, 24), SessionOptions{Device: CPU, Threads: 1})
	size := batch * 16 * 24 * 24
	serial := make([][]float32, goroutines)
	for g := range serial {
		serial[g] = make([]float32, batch*10)
		if err := s.Run(t.Context(), []Tensor{NewTensor(randomFloats(size, int64(g)), batch, 16, 24, 24)},
			[]Tensor{NewTensor(serial[g], batch, 10)}); err != nil {
			t.Fatal(err)
		}
	}
	if slices.Equal(serial[0], serial[1]) {
		t.Fatal("two inputs give one output: the network is too dull to test with")
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			in, out := randomFloats(size, int64(g)), make([]float32, batch*10)
			for range rounds {
				clear(out)
				if err := s.Run(t.Context(), []Tensor{NewTensor(in, batch, 16, 24, 24)},
					[]Tensor{NewTensor(out, batch, 10)}); err != nil {
					t.Error(err)
				} else if !slices.Equal(out, serial[g]) {
					t.Errorf("goroutine %d got other bits", g)
				}
			}
		})
	}
	wg.Wait()
}

// At a fixed batch size an image's features do not depend on who shares its batch.
func TestNeighboursDoNotChangeAnImage(t *testing.T) {
	const batch, image = 8, 16 * 24 * 24
	s := newSession(t, network(3, 16, 24), SessionOptions{Device: CPU, Threads: 1})
	run := func(in []float32) []float32 {
		t.Helper()
		out := make([]float32, batch*10)
		if err := s.Run(t.Context(), []Tensor{NewTensor(in, batch, 16, 24, 24)},
			[]Tensor{NewTensor(out, batch, 10)}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	mine := randomFloats(image, 99)
	var first []float32
	for place := range batch {
		in := randomFloats(batch*image, int64(place))
		copy(in[place*image:], mine)
		got := run(in)[place*10 : place*10+10]
		if first == nil {
			first = got
		} else if !slices.Equal(got, first) {
			t.Errorf("in place %d an image gets other bits", place)
		}
	}
}

func TestCancelStopsARunPromptly(t *testing.T) {
	const batch, size = 8, 64
	s := newSession(t, network(24, 32, size), SessionOptions{Device: CPU, Threads: 1})
	in := []Tensor{NewTensor(randomFloats(batch*32*size*size, 1), batch, 32, size, size)}
	start := time.Now()
	if err := s.Run(t.Context(), in, make([]Tensor, 1)); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(start)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(whole/10, cancel)
	start = time.Now()
	err := s.Run(ctx, in, make([]Tensor, 1))
	took := time.Since(start)
	if !errors.Is(err, context.Canceled) || fail.KindOf(err) != fail.Interrupted {
		t.Errorf("error %v", err)
	}
	if took > whole*2/3 {
		t.Errorf("a run of %v, canceled after a tenth of it, took %v", whole, took)
	}
	if err := s.Run(ctx, in, make([]Tensor, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("started after the end: %v", err)
	}
	if err := s.Run(t.Context(), in, make([]Tensor, 1)); err != nil {
		t.Errorf("after a canceled run: %v", err)
	}
}

func TestCloseWaitsForRuns(t *testing.T) {
	s, err := testRuntime(t).NewSession(network(6, 32, 48), SessionOptions{Device: CPU, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	in := []Tensor{NewTensor(randomFloats(2*32*48*48, 1), 2, 32, 48, 48)}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				if err := s.Run(t.Context(), in, make([]Tensor, 1)); err != nil {
					if !strings.Contains(err.Error(), "closed") {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func BenchmarkRunOverhead(b *testing.B) {
	s := newSession(b, sums(), SessionOptions{Device: CPU, Threads: 1})
	in, out := []Tensor{NewTensor(make([]uint8, 192), 1, 8, 8, 3)}, []Tensor{NewTensor(make([]float32, 128), 1, 2, 8,
		8)}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(context.Background(), in, out); err != nil {
			b.Fatal(err)
		}
	}
}

// The fields of onnxruntime_go that this package reads by name exist in the pinned version.
func TestPointersOfTheBinding(t *testing.T) {
	s := newSession(t, sums(), SessionOptions{Device: CPU, Threads: 1})
	if s.session == nil {
		t.Error("no pointer to the session")
	}
	options, err := onnxruntime.NewRunOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = options.Destroy() }()
	if pointerField(options, "o") == nil {
		t.Error("no pointer to the run options")
	}
	if pointerField(&onnxruntime.CUDAProviderOptions{}, "o") != nil {
		t.Error("a pointer to CUDA options that do not exist")
	}
	defer func() {
		if recover() == nil {
			t.Error("a field that is not there went unnoticed")
		}
	}()
	pointerField(options, "none")
}
