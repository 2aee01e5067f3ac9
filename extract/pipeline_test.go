package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"fx/internal/imaging"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/source"
)

// meanNetwork's only feature is the mean of a view's first pixel, so that a
// row tells which photo it came from.
type meanNetwork struct {
	batch   int
	running atomic.Int32
	most    atomic.Int32
	fails   error
	pause   time.Duration
}

func (n *meanNetwork) Preprocess() preprocess.Spec { return preprocess.ImageNet(4, 4) }
func (n *meanNetwork) BatchSize() int              { return n.batch }
func (n *meanNetwork) FeatureLen() int             { return 1 }

func (n *meanNetwork) NewStage() (Stage, error) {
	return &meanStage{n, make([]uint8, n.batch*viewLen(n.Preprocess()))}, nil
}

// meanStage is a stage of meanNetwork.
type meanStage struct {
	network *meanNetwork
	memory  []uint8
}

func (s *meanStage) Pixels() []uint8 { return s.memory }
func (s *meanStage) Close()          {}
func (s *meanStage) Embed(ctx context.Context, features []float32) error {
	return s.network.embed(ctx, s.memory, features)
}

func (n *meanNetwork) embed(ctx context.Context, pixels []uint8, features []float32) error {
	now := n.running.Add(1)
	defer n.running.Add(-1)
	for most := n.most.Load(); now > most && !n.most.CompareAndSwap(most, now); most = n.most.Load() {
	}
	select {
	case <-time.After(n.pause):
	case <-ctx.Done():
		return ctx.Err()
	}
	size := viewLen(n.Preprocess())
	for i := range features {
		features[i] = float32(pixels[i*size])
	}
	return n.fails
}

// grays writes n photos; photo i is gray of level i. bad ones are no photos.
func grays(t testing.TB, n int, bad map[int]bool) []string {
	t.Helper()
	dir := t.TempDir()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprintf("%03d.png", i))
		content := []byte("no photo")
		if !bad[i] {
			picture := image.NewGray(image.Rect(0, 0, 4, 4))
			for p := range picture.Pix {
				picture.Pix[p] = color.Gray{Y: uint8(i)}.Y
			}
			var b bytes.Buffer
			if err := png.Encode(&b, picture); err != nil {
				t.Fatal(err)
			}
			content = b.Bytes()
		}
		if err := os.WriteFile(paths[i], content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func newPipeline(t testing.TB, n network, paths []string, workers, runs int) *pipeline {
	t.Helper()
	decoder, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reader := photoio.NewReader(decoder, photoio.Options{Hash: true})
	return &pipeline{network: n, reader: reader, workers: workers, runs: runs, photos: func(i int) source.Source {
		return source.File(paths[i])
	}}
}

func batchesOf(n, size int) [][]rowRef {
	var batches [][]rowRef
	for i := range n {
		if i%size == 0 {
			batches = append(batches, nil)
		}
		batches[len(batches)-1] = append(batches[len(batches)-1], rowRef{item: i})
	}
	return batches
}

func TestRowsComeInOrderWhateverTheWorkers(t *testing.T) {
	bad := map[int]bool{0: true, 7: true, 8: true, 9: true, 10: true, 11: true, 49: true}
	paths := grays(t, 50, bad)
	for _, workers := range []int{1, 3, 16} {
		n := &meanNetwork{batch: 4}
		var got, rejected []int
		next := 0
		err := newPipeline(t, n, paths, workers, workers).run(t.Context(), batchesOf(50, 4),
			func(batch int, r result) error {
				if batch != next {
					t.Errorf("%d workers: batch %d came when %d was due", workers, batch, next)
				}
				next++
				for _, row := range r.rows {
					if float32(row.item) != row.embedding[0] {
						t.Errorf("%d workers: photo %d has the embedding of photo %g", workers, row.item,
							row.embedding[0])
					}
					got = append(got, row.item)
				}
				for _, b := range r.rejected {
					rejected = append(rejected, b.item)
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 50-len(bad) || len(rejected) != len(bad) {
			t.Errorf("%d workers: %d rows and %d rejections", workers, len(got), len(rejected))
		}
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Errorf("%d workers: %d after %d", workers, got[i], got[i-1])
			}
		}
	}
}

func TestRunsAreGated(t *testing.T) {
	paths := grays(t, 40, nil)
	n := &meanNetwork{batch: 1, pause: time.Millisecond}
	err := newPipeline(t, n, paths, 8, 2).run(t.Context(), batchesOf(40, 1), func(int, result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if most := n.most.Load(); most > 2 {
		t.Errorf("%d runs of the network at once, 2 were allowed", most)
	}
}

func TestWorkersDoNotRunAwayFromASlowWriter(t *testing.T) {
	paths := grays(t, 60, nil)
	var begun, emitted atomic.Int32
	n := &meanNetwork{batch: 1}
	const workers = 2
	p := newPipeline(t, n, paths, workers, workers)
	plain := p.photos
	p.photos = func(i int) source.Source {
		if ahead := begun.Add(1) - emitted.Load(); ahead > 2*workers {
			t.Errorf("%d photos are ahead of the writer, %d may be", ahead, 2*workers)
		}
		return plain(i)
	}
	err := p.run(t.Context(), batchesOf(60, 1), func(int, result) error {
		time.Sleep(time.Millisecond)
		emitted.Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFirstErrorEndsTheRun(t *testing.T) {
	paths := grays(t, 40, nil)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		network *meanNetwork
		emit    error
	}{
		"of the network": {&meanNetwork{batch: 2, fails: broken}, nil},
		"of emit":        {&meanNetwork{batch: 2}, broken},
	} {
		err := newPipeline(t, c.network, paths, 4, 4).run(t.Context(), batchesOf(40, 2), func(int, result) error {
			return c.emit
		})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelEndsTheRun(t *testing.T) {
	paths := grays(t, 40, nil)
	ctx, cancel := context.WithCancel(t.Context())
	n := &meanNetwork{batch: 1, pause: 10 * time.Millisecond}
	emitted := 0
	start := time.Now()
	err := newPipeline(t, n, paths, 2, 2).run(ctx, batchesOf(40, 1), func(int, result) error {
		if emitted++; emitted == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestViewsOfAPhotoAreReproducible(t *testing.T) {
	photo := func(name string) string {
		path := filepath.Join(t.TempDir(), name)
		picture := image.NewGray(image.Rect(0, 0, 64, 48))
		for i := range picture.Pix {
			picture.Pix[i] = uint8(i * 7)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refs := [][]rowRef{{{0, 1}, {0, 2}}, {{0, 3}, {0, 4}}}
	views := func(name string, seed uint64) (all []float32) {
		p := newPipeline(t, &meanNetwork{batch: 2}, []string{photo(name)}, 2, 2)
		p.seed = seed
		if err := p.run(t.Context(), refs, func(_ int, r result) error {
			for _, row := range r.rows {
				all = append(all, row.embedding...)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := views("a.png", 1)
	if again := views("renamed.png", 1); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("the same content under another name has other views: %v, %v", first, again)
	}
	if other := views("a.png", 2); fmt.Sprint(other) == fmt.Sprint(first) {
		t.Errorf("seeds 1 and 2 give the same views %v", other)
	}
	if first[0] == first[1] && first[1] == first[2] && first[2] == first[3] {
		t.Errorf("four views show the same: %v", first)
	}
}
