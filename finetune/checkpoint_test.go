package finetune

import (
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// The names, types and shapes of a checkpoint are those of torch's state_dict,
// and its counters count the batches that the statistics have seen, over a
// stop and from a counter that has moved already.
func TestACheckpointIsTorchsStateDict(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 3, 2) // 6 photos: batches of 4 and 2
	b, err := backbones.Lookup("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	like, err := backbones.SeedWeights(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	start := filepath.Join(t.TempDir(), "start.safetensors")
	like.Set("bn1.num_batches_tracked", scalar(100))
	if err := backbones.Save(start, b, like); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		stop   bool
		want   uint64 // batches counted in an epoch
	}{
		{"whole steps", func(*Options) {}, false, 2},
		{"added gradients and averages", func(o *Options) { o.BatchSize, o.Accumulate, o.EMA = 2, 2, 0.9 }, true, 3},
		// torch's train() goes on counting there
		{"the classifier alone", func(o *Options) { o.HeadOnly = true }, false, 2},
		{"frozen", func(o *Options) { o.HeadOnly, o.FrozenBN = true, true }, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := small(data, filepath.Join(t.TempDir(), "run"))
			o.Network.Backbone, o.Network.Weights, o.Epochs, o.Trainable, o.Resume = "resnet18", weights.File(start), 1,
				[]string{"layer4.1.*", "fc.*"}, true
			c.change(&o)
			if o.HeadOnly {
				o.Trainable = nil
			}
			if c.stop {
				ctx, cancel := context.WithCancel(t.Context())
				watch := &stopper{Reporter: progress.Discard, cancel: cancel}
				watch.left.Store(2)
				if _, err := Run(ctx, o, watch); !errors.Is(err, context.Canceled) {
					t.Fatalf("the run was to stop in its middle: %v", err)
				}
			}
			if _, err := Run(t.Context(), o, progress.Discard); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{lastName, bestName} {
				got, _, err := weights.Read(filepath.Join(o.Out, checkpointDir, name, artifacts.ModelFile))
				if err != nil {
					t.Fatal(err)
				}
				if got.Len() != like.Len() {
					t.Errorf("%s: %d tensors, torch has %d", name, got.Len(), like.Len())
				}
				for _, n := range like.Names() {
					x, _ := like.Get(n)
					y, ok := got.Get(n)
					if !ok || y.DType != x.DType || !strings.HasPrefix(n, "fc.") && len(y.Data) != len(x.Data) ||
						len(y.Shape) != len(x.Shape) {
						t.Errorf("%s: %s is %s %v, there %v; torch's is %s %v", name, n, y.DType, y.Shape, ok,
							x.DType, x.Shape)
						continue
					}
					if y.DType != weights.I64 {
						continue
					}
					want := c.want
					if n == "bn1.num_batches_tracked" {
						want += 100
					}
					if count := binary.LittleEndian.Uint64(y.Data); count != want {
						t.Errorf("%s: %s counts %d batches, want %d", name, n, count, want)
					}
				}
			}
		})
	}
}

func scalar(v uint64) weights.Tensor {
	return weights.Tensor{DType: weights.I64, Shape: []int{}, Data: binary.LittleEndian.AppendUint64(nil, v)}
}
