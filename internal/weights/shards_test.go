package weights_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/weights"
)

// shards writes two shards and their index, and returns its path.
func shards(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, tensors := range map[string][]string{
		"model-00001-of-00002.safetensors": {"stem.weight", "stem.bias"},
		"model-00002-of-00002.safetensors": {"head.weight"},
	} {
		state := weights.NewStateDict()
		for _, tensor := range tensors {
			state.Set(tensor, weights.FromFloat32([]int{2}, []float32{float32(len(tensor)), 1}))
		}
		if err := weights.WriteSafetensors(filepath.Join(dir, name), state); err != nil {
			t.Fatal(err)
		}
	}
	return putIndex(t, dir, map[string]string{
		"stem.weight": "model-00001-of-00002.safetensors",
		"stem.bias":   "model-00001-of-00002.safetensors",
		"head.weight": "model-00002-of-00002.safetensors",
	})
}

func putIndex(t *testing.T, dir string, shardOf map[string]string) string {
	t.Helper()
	text, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": 24}, "weight_map": shardOf},
		"", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors"+weights.IndexEnding)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestShardsAreReadByTheirIndex(t *testing.T) {
	path := shards(t)
	state, info, err := weights.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if names := state.Names(); len(names) != 3 || !slices.Contains(names, "head.weight") {
		t.Errorf("%q", names)
	}
	if head, _ := state.Get("head.weight"); head.DType != weights.F32 || len(head.Data) != 8 {
		t.Errorf("%+v", head)
	}
	// the sum is sha256sum's of what sha256sum prints
	var printed string
	var size int64
	for _, shard := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(path), shard))
		if err != nil {
			t.Fatal(err)
		}
		printed += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), shard)
		size += int64(len(content))
	}
	digest := sha256.Sum256([]byte(printed))
	want := hex.EncodeToString(digest[:])
	sum, bytes, err := weights.Sum(t.Context(), path)
	if info.SHA256 != want || sum != want || info.Bytes != size || bytes != size || err != nil {
		t.Errorf("read %s, %d bytes; sum %s, %d bytes, %v; want %s, %d", info.SHA256, info.Bytes, sum, bytes, err, want,
			size)
	}
	one := filepath.Join(filepath.Dir(path), "model-00002-of-00002.safetensors")
	_, info, err = weights.Read(one)
	if sum, _, sumErr := weights.Sum(t.Context(), one); sum != info.SHA256 || err != nil || sumErr != nil {
		t.Errorf("%s, %s, %v, %v", sum, info.SHA256, err, sumErr)
	}
}

func TestWrongShardsAreRefused(t *testing.T) {
	for label, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"a missing shard": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Join(filepath.Dir(path), "model-00002-of-00002.safetensors")); err != nil {
				t.Fatal(err)
			}
		}, "names the shard model-00002-of-00002.safetensors, which is missing"},
		"a shard of another model": {func(t *testing.T, path string) {
			state := weights.NewStateDict()
			state.Set("stem.weight", weights.FromFloat32([]int{1}, []float32{1}))
			if err := weights.WriteSafetensors(filepath.Join(filepath.Dir(path), "model-00002-of-00002.safetensors"),
				state); err != nil {
				t.Fatal(err)
			}
		}, `has the tensor "stem.weight", which the index`},
		"a shard without a tensor": {func(t *testing.T, path string) {
			if err := weights.WriteSafetensors(filepath.Join(filepath.Dir(path), "model-00002-of-00002.safetensors"),
				weights.NewStateDict()); err != nil {
				t.Fatal(err)
			}
		}, "lack 1 of its tensors"},
		"a path above the folder": {naming("../model-00002-of-00002.safetensors"), "no name of a safetensors file"},
		"an absolute path":        {naming("/etc/passwd.safetensors"), "no name of a safetensors file"},
		"a folder below":          {naming("below/a.safetensors"), "no name of a safetensors file"},
		"a Windows path":          {naming(`..\a.safetensors`), "no name of a safetensors file"},
		"a drive":                 {naming(`C:a.safetensors`), "no name of a safetensors file"},
		"a pickle":                {naming("pytorch_model-00001-of-00002.bin"), "no name of a safetensors file"},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(filepath.Join(filepath.Dir(path), "dir.safetensors"), 0o755); err != nil {
				t.Fatal(err)
			}
			naming("dir.safetensors")(t, path)
		}, "is not a file"},
		"itself": {func(t *testing.T, path string) { // an index of itself must not be read for ever
			naming("self.safetensors")(t, path)
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(filepath.Join(filepath.Dir(path), "self.safetensors"), content, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "self.safetensors: an index of shards"},
		"other JSON": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(`{"architecture": "vit"}`), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "nor an index of shards"},
	} {
		t.Run(label, func(t *testing.T) {
			path := shards(t)
			c.spoil(t, path)
			_, _, err := weights.Read(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || fail.HintOf(err) == "" {
				t.Errorf("%v, hint %q; want %q", err, fail.HintOf(err), c.want)
			}
		})
	}
}

// naming makes the index name another file for a tensor.
func naming(shard string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		putIndex(t, filepath.Dir(path), map[string]string{"head.weight": shard})
	}
}
