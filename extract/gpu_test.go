package extract

import (
	"testing"

	"fx/backbones"
	"fx/internal/environment"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/relative"
	"fx/internal/weights"
)

// What graphs, stages and page-locked memory give is what plain runs give, and
// near what the CPU gives; a photo's features do not depend on its batch.
func TestCUDAStagesGiveTheFeatures(t *testing.T) {
	orttest.GPU(t)
	paths := noisePhotos(t, 27)
	features := func(device ort.Device, precision string, staged bool) map[int][]float32 {
		e := opened(t, EmbedderOptions{
			Environment: environment.Environment{Device: device, Workers: 3},
			Network:     backbones.NetworkOptions{Backbone: "resnet18", Weights: weights.Seed(0)},
			Precision:   precision, BatchSize: 4,
		})
		all := embedAll(t, e, paths, staged)
		if s := e.Session(); staged && !s.Captures() {
			t.Errorf("%s: it ran without CUDA graphs: %s", precision, s.CaptureProblem())
		}
		return all
	}
	cpu := features(ort.CPU, Float32, false)
	for precision, most := range map[string]float64{Float32: 1e-3, Float16: 5e-3} {
		staged, plain := features(ort.CUDA, precision, true), features(ort.CUDA, precision, false)
		for _, c := range []struct {
			what      string
			got, want map[int][]float32
			most      float64
		}{{"plain runs", staged, plain, 1e-5}, {"the CPU", staged, cpu, most}} {
			if len(c.got) != 26 || len(c.want) != 26 {
				t.Fatalf("%d and %d rows", len(c.got), len(c.want))
			}
			for item, want := range c.want {
				if d := relative.L2(c.got[item], want); !(d <= c.most) {
					t.Errorf("%s: photo %d is %.1e away from %s, %.0e may be", precision, item, d, c.what, c.most)
				}
			}
		}
	}
}
