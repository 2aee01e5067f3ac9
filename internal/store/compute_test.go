package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/weights"
)

// olderManifest is a manifest as fx wrote it before there were fields for what
// computed the rows, for a seed, and for weights that are random.
const olderManifest = `{
  "format_version": 1, "backbone": "toy", "graph_sha256": "a1", "weights": %q, "weights_sha256": "b2",
  "preprocess": {"resize": 224, "crop": 224, "interpolation": "bilinear", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
  "exif": "ignore", "decoder": "test", "provider": %q, "dtype": "float32", "feature_shape": [2, 3], "seed": 0, "views": 0,
  "classes": ["ants", "bees"], "made": {"notes": ["the network is small", %q]}
}`

// A store of an older fx opens, means what it meant, and goes on: the identity in
// its shards is that of the manifest with fields.
func TestOlderManifests(t *testing.T) {
	const untrained = "the weights are random numbers of seed 3, not trained"
	for text, want := range map[string]Compute{
		"CPUExecutionProvider":             {Provider: "CPUExecutionProvider", Precision: Float32},
		"CPUExecutionProvider in float16":  {Provider: "CPUExecutionProvider", Precision: Float16},
		"CUDAExecutionProvider in float16": {Provider: "CUDAExecutionProvider", Precision: Float16},
		"CUDAExecutionProvider without TF32": {Provider: "CUDAExecutionProvider", Precision: Float32,
			WithoutTF32: true},
		"another": {Provider: "another", Precision: Float32},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, manifestFile),
			fmt.Appendf(nil, olderManifest, "seed:3", text, untrained), 0o644))
		m, err := ReadManifest(dir)
		must(t, err)
		if m.Compute != want || m.Compute.String() != text {
			t.Errorf("%q is %+v, which reads %q", text, m.Compute, m.Compute)
		}
		if m.Made.WeightsFile != weights.Seed(3) || m.Made.Untrained != untrained {
			t.Errorf("the weights are %q, untrained: %q", m.Made.WeightsFile, m.Made.Untrained)
		}
		identity := "graph a1\nweights b2\nresize 224 crop 224 bilinear\nmean [0.485 0.456 0.406] std [0.229 0.224 " +
			"0.225]\n" +
			"exif ignore\ndecoder test\nprovider " + text + "\ndtype float32\nshape [2 3]\n"
		older := sha256.Sum256([]byte(identity))
		if m.identity() != hex.EncodeToString(older[:]) {
			t.Errorf("%q: the store has another identity", text)
		}
		written, err := m.encode()
		must(t, err)
		again, err := decodeManifest("again", written)
		must(t, err)
		if !reflect.DeepEqual(again, m) || len(again.Diff(m)) > 0 {
			t.Errorf("written anew: %+v, want %+v", again, m)
		}
	}
}

// What computed the rows and whether the weights were trained is read from fields,
// whatever the words beside them.
func TestManifestsDecideByFields(t *testing.T) {
	m := testManifest()
	m.Compute = Compute{Provider: "CUDAExecutionProvider", Precision: Float16}
	m.Made.Notes = []string{"the file \"not trained.onnx\" does not say how its images are normalised"}
	text, err := m.encode()
	must(t, err)
	older := string(text[:strings.LastIndex(string(text), ",")]) + "\n}\n" // without a checksum
	reworded := strings.Replace(older, `"provider": "CUDAExecutionProvider in float16"`,
		`"provider": "half precision on a GPU"`, 1)
	if reworded == older {
		t.Fatalf("no text of the provider in %s", text)
	}
	got, err := decodeManifest("reworded", []byte(reworded))
	must(t, err)
	if got.Compute != m.Compute || got.identity() != m.identity() || got.Made.Untrained != "" {
		t.Errorf("got %+v, untrained: %q", got.Compute, got.Made.Untrained)
	}
}
