package extract

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/relative"
	"fx/internal/store"
	"fx/internal/testenv"
	"fx/internal/weights"
)

// notes keeps what a run says.
type notes struct {
	progress.Reporter
	lines []string
}

func (n *notes) Note(line string) { n.lines = append(n.lines, line) }

func TestStoreKeepsItsPrecision(t *testing.T) {
	orttest.Library(t)
	data, dir := photos(t, 2), filepath.Join(t.TempDir(), "half")
	o := options(data, dir)
	o.Embedder.Precision = Float16
	said := &notes{Reporter: progress.Discard}
	s, err := Run(t.Context(), o, said)
	if err != nil {
		t.Fatal(err)
	}
	if s.Computed != 8 || s.Provider != "CPUExecutionProvider in float16" || !slices.Contains(said.lines, slowFloat16) {
		t.Errorf("%d computed by %s; %q", s.Computed, s.Provider, said.lines)
	}
	o.Embedder.Precision = "" // goes on as the store began
	mustRun(t, o, 0, 8, 0)
	noise(t, filepath.Join(data, "train/ants/new.png"), 1000)
	if s := mustRun(t, o, 1, 8, 0); s.Provider != "CPUExecutionProvider in float16" {
		t.Errorf("the photo that was added was computed by %s", s.Provider)
	}
	o.Embedder.Precision = Float32
	if _, err := Run(t.Context(), o, progress.Discard); err == nil ||
		!strings.Contains(err.Error(),
			"provider: CPUExecutionProvider in float16 in the store, CPUExecutionProvider now") {
		t.Errorf("float32 into a store of float16: %v", err)
	}
	o.Embedder.Precision = "int8"
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("--precision int8: %v", err)
	}
}

func TestExpectedCompute(t *testing.T) {
	by := func(provider string, precision store.DType) store.Compute {
		return store.Compute{Provider: provider, Precision: precision}
	}
	cpu, cuda := by("CPUExecutionProvider", Float32), by("CUDAExecutionProvider", Float32)
	cpu16, cuda16 := by("CPUExecutionProvider", Float16), by("CUDAExecutionProvider", Float16)
	exact := store.Compute{Provider: "CUDAExecutionProvider", Precision: Float32, WithoutTF32: true}
	for _, c := range []struct {
		stored          store.Compute
		kind, precision string
		want            store.Compute
	}{
		{cpu, "", Float32, cpu}, {cpu, "auto", Float16, cpu16}, {cpu, "cuda", Float32, cuda}, {cpu, "cuda", Float16,
			cuda16},
		{exact, "auto", Float32, exact}, {exact, "cuda", "", exact}, {exact, "cuda", Float16, cuda16}, {exact, "cpu",
			Float32, cpu},
		{cuda16, "", Float16, cuda16}, {cuda16, "cuda", Float32, cuda}, {cuda16, "cpu", Float16, cpu16},
	} {
		if got := expectedCompute(c.stored, c.kind, c.precision); got != c.want {
			t.Errorf("a store by %q, on %q in %s: %q, want %q", c.stored, c.kind, c.precision, got, c.want)
		}
	}
}

// Real photos through real weights: see backbones.TestFloat16KeepsFeatures for
// the other families.
func TestFloat16OnPhotos(t *testing.T) {
	orttest.Library(t)
	data, file := testenv.PhotosDir(t), testenv.WeightsFile(t, "squeezenet1_1.safetensors")
	features := map[string]*store.Store{}
	for _, precision := range []string{Float32, Float16} {
		o := options(data, filepath.Join(t.TempDir(), precision))
		o.Embedder.Network = backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.File(file)}
		o.Embedder.Precision, o.Splits = precision, []string{"val"}
		if _, err := Run(t.Context(), o, progress.Discard); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), o.Store, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		features[precision] = s
	}
	const most = 2e-3
	worst, sum := 0.0, 0.0
	for i := range features[Float32].Rows() {
		d := relative.L2(features[Float16].Embedding(i, nil), features[Float32].Embedding(i, nil))
		worst, sum = max(worst, d), sum+d
	}
	t.Logf("mean distance %.1e, worst %.1e", sum/float64(len(features[Float32].Rows())), worst)
	if !(worst <= most) || worst == 0 {
		t.Errorf("a photo's features are %.1e away in float16", worst)
	}
}

// A batch takes rows of several of the store's files, however few each holds.
func TestBatchesAreFull(t *testing.T) {
	job := func(entry int, views ...int) store.Job { return store.Job{Entry: entry, Views: views} }
	r := &run{embedder: &Embedder{batch: 4}, plan: &store.Plan{Chunks: []store.Chunk{
		{}, {Jobs: []store.Job{job(0, 0, 1), job(1, 0)}}, {Jobs: []store.Job{job(2,
			1)}}, {}, {Jobs: []store.Job{job(3, 0, 1, 2), job(4, 0), job(5, 0)}},
	}}}
	batches, ends := r.batches()
	want := [][]rowRef{{{0, 0}, {0, 1}, {1, 0}, {2, 1}}, {{3, 0}, {3, 1}, {3, 2}, {4, 0}}, {{5, 0}}}
	if !reflect.DeepEqual(batches, want) || !slices.Equal(ends, []int{0, 3, 4, 4, 9}) {
		t.Errorf("batches %v, ends %v", batches, ends)
	}
}

// Files smaller than a batch, with a rejected photo among them, hold the same rows.
func TestFilesSmallerThanABatch(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 3)
	if err := os.WriteFile(filepath.Join(data, "train/bees/01.png"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(data, filepath.Join(t.TempDir(), "usual"))
	mustRun(t, o, 11, 0, 1)
	want := content(t, o.Store)
	o.Store, o.RowsPerShard, o.Embedder.BatchSize = filepath.Join(t.TempDir(), "small"), 3, 8
	mustRun(t, o, 11, 0, 1)
	if got := content(t, o.Store); !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows, some of them others than the %d of one file", len(got), len(want))
	}
	if files, err := filepath.Glob(filepath.Join(o.Store, "shard-*.arrow")); err != nil || len(files) != 4 {
		t.Errorf("files %v, want 4", files)
	}
}
