package extract

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/internal/environment"
	"fx/internal/fakecuda"
	"fx/internal/imaging"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/weights"
)

// families are torchvision's six, each of which ONNX Runtime is to run on CUDA alone.
var families = []string{"resnet18", "alexnet", "vgg11_bn", "squeezenet1_0", "densenet121", "inception_v3"}

// Extraction on CUDA, in both precisions: every network without a node on the CPU,
// as one CUDA graph a stage; batches copied as bytes, outside of what is recorded.
// See package fakecuda for what that shows and what it does not.
func TestRehearsedExtraction(t *testing.T) {
	const photos, batch = 30, 3
	if fakecuda.Rehearsing() {
		dir := t.TempDir()
		var paths []string
		for i := range photos {
			paths = append(paths, filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
			noise(t, paths[i], uint64(i))
		}
		for _, name := range families {
			for _, precision := range []string{Float32, Float16} {
				rehearse(t, EmbedderOptions{
					Environment: environment.Environment{Device: ort.CUDA, Workers: 4},
					Network:     backbones.NetworkOptions{Backbone: name, Weights: weights.Seed(0)},
					Precision:   precision, BatchSize: batch,
				}, paths)
			}
		}
		return
	}
	text, events := fakecuda.Rehearse(t)
	for _, name := range families {
		for _, precision := range []string{Float32, Float16} {
			if want := fmt.Sprintf("%s %s: captures true, problem \"\", %d rows\n", name, precision,
				photos); !strings.Contains(text, want) {
				t.Errorf("%q is not in %s", want, text)
			}
		}
	}
	runs, stages, uploads := 2*len(families), gpuRuns+stagesBeside, 0
	sizes := map[string]bool{fmt.Sprintf("1 %d", batch*224*224*3): true, fmt.Sprintf("1 %d", batch*299*299*3): true}
	for _, e := range events {
		switch {
		case e.What == "stale" || e.What == "unsafe" || e.What == "copy" && strings.HasSuffix(e.Rest,
			" recorded") && sizes[strings.TrimSuffix(e.Rest, " recorded")]:
			t.Errorf("%+v", e) // a replay would read what is no more, or a recording was spoiled
		case e.What == "copy" && sizes[e.Rest]:
			uploads++
		}
	}
	if want := runs * photos / batch; uploads != want {
		t.Errorf("%d batches were copied as uint8, want %d", uploads, want)
	}
	if got := fakecuda.Count(events, "recorded"); got != runs*stages {
		t.Errorf("%d runs were recorded, want %d: one a stage", got, runs*stages)
	}
	if got := fakecuda.Count(events, "replay"); got != runs*photos/batch {
		t.Errorf("%d replays, want %d", got, runs*photos/batch)
	}
	if got := fakecuda.Count(events, "pin"); got < runs*2*stages {
		t.Errorf("%d pieces of page-locked memory, want two a stage", got)
	}
}

func rehearse(t *testing.T, o EmbedderOptions, paths []string) {
	t.Helper()
	e, err := OpenEmbedder(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(o.Network.Backbone, o.Precision, err)
	}
	defer func() { _ = e.Close() }()
	decoder, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	var all []source.Source
	for _, path := range paths {
		all = append(all, source.File(path))
	}
	if err := Photos(t.Context(), e, decoder, all, progress.Discard,
		func(_ int, photo Embedding) error {
			if len(photo.Features) == e.FeatureLen() && photo.Reason == "" {
				rows++
			}
			return nil
		}); err != nil {
		t.Fatal(o.Network.Backbone, o.Precision, err)
	}
	s := e.Session()
	fmt.Printf("%s %s: captures %v, problem %q, %d rows\n", o.Network.Backbone, o.Precision, s.Captures(),
		s.CaptureProblem(), rows)
}
