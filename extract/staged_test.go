package extract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/ort/orttest"
	"fx/internal/photoio"
	"fx/internal/progress"
	"fx/internal/source"
)

// meanNetwork on a device of its own.
type stagedMean struct {
	meanNetwork
	made, closed atomic.Int32
	failsAt      int32 // the number of the stage that can't be had; 0 for none
}

// countedStage tells its network that it is closed.
type countedStage struct {
	meanStage
	network *stagedMean
}

func (n *stagedMean) NewStage() (Stage, error) {
	if made := n.made.Add(1); made == n.failsAt {
		n.made.Add(-1)
		return nil, errors.New("out of memory")
	}
	return &countedStage{meanStage{&n.meanNetwork, make([]uint8, n.batch*viewLen(n.Preprocess()))}, n}, nil
}

func (s *countedStage) Close() { s.network.closed.Add(1) }

func stagedPipeline(t testing.TB, n *stagedMean, paths []string, workers int) *pipeline {
	t.Helper()
	p := newPipeline(t, n, paths, workers, gpuRuns)
	p.shared = true
	t.Cleanup(func() {
		if made, closed := n.made.Load(), n.closed.Load(); made != closed {
			t.Errorf("%d stages were made and %d closed", made, closed)
		}
	})
	return p
}

// Rows, rejections and their order are those of the workers that do whole batches.
func TestStagedRowsAreThoseOfWholeBatches(t *testing.T) {
	bad := map[int]bool{0: true, 7: true, 8: true, 9: true, 10: true, 11: true, 49: true}
	paths := grays(t, 50, bad)
	batches := batchesOf(50, 4)
	batches[3] = []rowRef{{12, 0}, {12, 1}, {12, 2}, {13, 0}} // views of a photo
	batches[4] = []rowRef{{49, 0}, {49, 1}, {13, 1}, {14, 0}} // views of one that is rejected
	collect := func(p *pipeline) (text string) {
		next := 0
		if err := p.run(t.Context(), batches, func(batch int, r result) error {
			if batch != next {
				t.Errorf("batch %d came when %d was due", batch, next)
			}
			next++
			for _, row := range r.rows {
				text += fmt.Sprint(batch, row.rowRef, row.content.SHA256, row.embedding, "\n")
			}
			for _, b := range r.rejected {
				text += fmt.Sprint(batch, b, "\n")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return text
	}
	want := collect(newPipeline(t, &meanNetwork{batch: 4}, paths, 1, 1))
	for _, workers := range []int{1, 3, 16} {
		n := &stagedMean{meanNetwork: meanNetwork{batch: 4}}
		if got := collect(stagedPipeline(t, n, paths, workers)); got != want {
			t.Errorf("%d workers:\n%s\nwant\n%s", workers, got, want)
		}
		if made, most := n.made.Load(), n.most.Load(); made != gpuRuns+stagesBeside || most > gpuRuns {
			t.Errorf("%d workers: %d stages and %d runs at once", workers, made, most)
		}
	}
}

// The first photos that are read are those of the first batch, all at once: no
// worker has begun another while it is not full.
func TestStagedWorkersFillOneBatchTogether(t *testing.T) {
	const size = 8
	paths := grays(t, 5*size, nil)
	n := &stagedMean{meanNetwork: meanNetwork{batch: size}}
	p := stagedPipeline(t, n, paths, size)
	all := make(chan struct{}) // closed once as many photos are being read as a batch has
	var begun atomic.Int32
	plain := p.photos
	p.photos = func(i int) source.Source {
		if n := begun.Add(1); n <= size {
			if i >= size {
				t.Errorf("photo %d is read while the first batch is not", i)
			}
			if n == size {
				close(all)
			}
			select {
			case <-all:
			case <-time.After(10 * time.Second):
				t.Errorf("photo %d waits for others to be read beside it", i)
			}
		}
		return plain(i)
	}
	if err := p.run(t.Context(), batchesOf(5*size, size), func(int, result) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestStagedMemoryIsBounded(t *testing.T) {
	const size = 4
	paths := grays(t, 50*size, nil)
	n := &stagedMean{meanNetwork: meanNetwork{batch: size}}
	p := stagedPipeline(t, n, paths, 16)
	var begun, emitted atomic.Int32
	plain := p.photos
	p.photos = func(i int) source.Source {
		const most = (2*gpuRuns + stagesBeside) * size
		if ahead := begun.Add(1) - emitted.Load(); ahead > most {
			t.Errorf("%d photos are ahead of the writer, %d may be", ahead, most)
		}
		return plain(i)
	}
	err := p.run(t.Context(), batchesOf(50*size, size), func(_ int, r result) error {
		time.Sleep(time.Millisecond)
		emitted.Add(int32(len(r.rows)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStagedErrorEndsTheRun(t *testing.T) {
	paths := grays(t, 40, nil)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		network *stagedMean
		emit    error
		want    string
	}{
		"of the network": {&stagedMean{meanNetwork: meanNetwork{batch: 2, fails: broken}}, nil, "broken"},
		"of emit":        {&stagedMean{meanNetwork: meanNetwork{batch: 2}}, broken, "broken"},
		"of the device":  {&stagedMean{meanNetwork: meanNetwork{batch: 2}, failsAt: 3}, nil, "out of memory"},
	} {
		err := stagedPipeline(t, c.network, paths, 4).run(t.Context(), batchesOf(40, 2), func(int, result) error {
			return c.emit
		})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStagedCancelEndsTheRun(t *testing.T) {
	paths := grays(t, 40, nil)
	ctx, cancel := context.WithCancel(t.Context())
	n := &stagedMean{meanNetwork: meanNetwork{batch: 2, pause: time.Minute}} // ends only with ctx
	p := stagedPipeline(t, n, paths, 3)
	plain := p.photos
	p.photos = func(i int) source.Source {
		if i == 2*(gpuRuns+stagesBeside)-1 { // the last that finds a stage while none comes free
			cancel()
		}
		return plain(i)
	}
	if err := p.run(ctx, batchesOf(40, 2), func(int, result) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// noisePhotos are n files of noise, the sixth of which is no photo.
func noisePhotos(t *testing.T, n int) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		noise(t, paths[i], uint64(i))
	}
	if err := os.WriteFile(paths[5], []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	return paths
}

// opened is an embedder until the test ends.
func opened(t *testing.T, o EmbedderOptions) *Embedder {
	t.Helper()
	e, err := OpenEmbedder(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// onDevice is an Embedder whose stages are those of a GPU wherever it runs.
type onDevice struct{ *Embedder }

func (n onDevice) NewStage() (Stage, error) { return n.newDeviceStage() }

// onHost is an Embedder whose stages are those of a CPU.
type onHost struct{ *Embedder }

func (n onHost) NewStage() (Stage, error) { return n.newHostStage(), nil }

// embedAll returns the features of the paths that are photos, by their index.
func embedAll(t *testing.T, e *Embedder, paths []string, staged bool) map[int][]float32 {
	t.Helper()
	p := newPipeline(t, onHost{e}, paths, 3, gpuRuns)
	if staged {
		p.network, p.shared = onDevice{e}, true
	}
	all := map[int][]float32{}
	if err := p.run(t.Context(), batchesOf(len(paths), e.BatchSize()), func(_ int, r result) error {
		for _, row := range r.rows {
			all[row.item] = row.embedding
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// A real network gives the same bits through stages, on the CPU, as without.
func TestStagedBitsAreThoseOfTheCPU(t *testing.T) {
	orttest.Library(t)
	paths := noisePhotos(t, 21)
	o := options("", "").Embedder
	o.BatchSize, o.Workers = 4, 3
	e := opened(t, o)
	want, got := embedAll(t, e, paths, false), embedAll(t, e, paths, true)
	if len(got) != 20 || len(want) != 20 {
		t.Fatalf("%d rows through stages, %d without", len(got), len(want))
	}
	for item, embedding := range want {
		if !slices.Equal(got[item], embedding) {
			t.Errorf("photo %d has other features", item)
		}
	}
}

// What is not a photo's fault ends the run, and no photo is rejected for it.
func TestAnErrorThatIsNotThePhotosEndsTheRun(t *testing.T) {
	paths := grays(t, 10, nil)
	decoder, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*pipeline{
		"whole batches": newPipeline(t, &meanNetwork{batch: 4}, paths, 3, 3),
		"staged":        stagedPipeline(t, &stagedMean{meanNetwork: meanNetwork{batch: 4}}, paths, 3),
	} {
		p.reader = photoio.NewReader(decoder, photoio.Options{Memory: 1}) // no photo is so small
		err := p.run(t.Context(), batchesOf(10, 4), func(_ int, r result) error {
			if len(r.rejected) > 0 {
				t.Errorf("%s: rejected %v", name, r.rejected)
			}
			return nil
		})
		if fail.KindOf(err) != fail.Rejected {
			t.Errorf("%s: %v", name, err)
		}
	}
}
