package pretrained_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/hub/hubtest"
	"fx/internal/lockfile"
	"fx/internal/pretrained"
)

const repoName = "timm/tiny.a1_in1k"

// onHub is a place whose official weights are on a hub.
type onHub struct {
	*place
	*hubtest.Server
	commit string
}

func newOnHub(t *testing.T) *onHub {
	h := &onHub{place: newPlace(t), Server: hubtest.New(t)}
	h.request = pretrained.Request{Name: "tiny@a1", Official: pretrained.Official{Hub: repoName}}
	h.commit = h.Commit(repoName, map[string]string{"model.safetensors": h.content})
	return h
}

// cached is fx's path of a file at a commit.
func (h *onHub) cached(commit, file string) string {
	return filepath.Join(h.cache, "weights", "models--timm--tiny.a1_in1k", commit, file)
}

func TestEachPlaceOfHubWeightsInOrder(t *testing.T) {
	h := newOnHub(t)
	found := h.want(h.cached(h.commit, "model.safetensors"), pretrained.FromDownload)
	if found.SHA256 != h.sum || found.Input.Commit != h.commit || found.Input.Bytes != int64(len(h.content)) {
		t.Errorf("%+v", found)
	}
	h.wantNote("downloading " + h.URL + "/" + repoName + "/resolve/main/model.safetensors")
	h.Requests()
	h.want(h.cached(h.commit, "model.safetensors"), pretrained.FromCache)
	hubtest.UserCache(t, repoName, h.commit, map[string]string{"model.safetensors": h.content})
	snapshot := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--timm--tiny.a1_in1k", "snapshots", h.commit,
		"model.safetensors")
	h.want(snapshot, pretrained.FromHubCache)

	t.Setenv("FX_WEIGHTS_DIR", h.weights)
	h.want(snapshot, pretrained.FromHubCache)
	h.wantNote("has neither tiny.a1_in1k.safetensors nor tiny@a1.safetensors")
	h.want(h.put("by the hub's name", h.weights, "tiny.a1_in1k.safetensors"), pretrained.FromDir)
	mine := h.want(h.put("by fx's name", h.weights, "tiny@a1.safetensors"), pretrained.FromDir)
	if mine.Input.Commit != "" {
		t.Errorf("%+v", mine.Input)
	}
	h.request.Explicit = h.put("mine", t.TempDir(), "mine.pth")
	h.want(h.request.Explicit, pretrained.FromFlag)
	if r := h.Requests(); len(r) > 0 {
		t.Errorf("requests %+v", r)
	}
}

func TestADamagedUserCacheIsSkipped(t *testing.T) {
	h := newOnHub(t)
	hubtest.UserCache(t, repoName, h.commit, map[string]string{"model.safetensors": h.content})
	blob := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--timm--tiny.a1_in1k", "blobs", h.sum)
	if err := os.WriteFile(blob, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.want(h.cached(h.commit, "model.safetensors"), pretrained.FromDownload)
	h.wantNote("not taking the one in the Hugging Face hub's cache")
}

func TestHubWeightsNowhere(t *testing.T) {
	h := newOnHub(t)
	h.Restrict(repoName, "hf_other", true)
	err := h.wantError(fail.Model, "no weights for tiny@a1", "is gated", "Accept the licence at "+h.URL+"/"+repoName)
	if !errors.Is(err, pretrained.ErrNowhere) {
		t.Error(err)
	}
	t.Setenv("HF_HUB_OFFLINE", "1")
	h.wantError(fail.Model, "HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE")
	t.Setenv("HF_HUB_OFFLINE", "")
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
	err = h.wantError(fail.Model, "cannot be reached", "put it as tiny.a1_in1k.safetensors", "FX_WEIGHTS_DIR")
	if !errors.Is(err, pretrained.ErrNowhere) {
		t.Error(err)
	}
	h.request.Offline = true
	h.wantError(fail.Model, "must stay offline")
	t.Setenv("HF_ENDPOINT", "nonsense")
	h.wantError(fail.Usage, "HF_ENDPOINT")
}

// Another machine gets the weights of the lock, although the hub's main has moved.
func TestALockNamesTheCommit(t *testing.T) {
	h := newOnHub(t)
	lock := lockfile.At(filepath.Join(t.TempDir(), "lock.json"))
	h.request.Lock = lock
	first := h.want(h.cached(h.commit, "model.safetensors"), pretrained.FromDownload)
	if err := lock.Hold(t.Context(), first.Input); err != nil {
		t.Fatal(err)
	}
	second := h.Commit(repoName, map[string]string{"model.safetensors": "newer weights"})
	h.cache = t.TempDir()
	t.Setenv("FX_CACHE_DIR", h.cache)
	h.request.Lock = nil
	h.want(h.cached(second, "model.safetensors"), pretrained.FromDownload)
	h.request.Lock = lock
	if got := h.want(h.cached(h.commit, "model.safetensors"), pretrained.FromDownload); got.SHA256 != first.SHA256 {
		t.Errorf("%+v", got)
	}
	h.wantNote("as in the lock")
	h.put("newer weights", h.cached(h.commit, "model.safetensors"))
	h.wantError(fail.Model, "names model.safetensors with SHA-256 "+h.sum)
}

// sharded is a repository with two shards and an index.
func sharded() map[string]string {
	const one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	index, _ := json.Marshal(map[string]any{"weight_map": map[string]string{"a": one, "b": two}})
	return map[string]string{one: "one", two: "two", "model.safetensors.index.json": string(index)}
}

func TestShardsOnTheHub(t *testing.T) {
	h := newOnHub(t)
	h.request.Official.Hub = "timm/large"
	commit := h.Commit("timm/large", sharded())
	index := filepath.Join(h.cache, "weights", "models--timm--large", commit, "model.safetensors.index.json")
	want := sumOf(fmt.Sprintf("%s  model-00001-of-00002.safetensors\n%s  model-00002-of-00002.safetensors\n",
		sumOf("one"), sumOf("two")))
	if found := h.want(index, pretrained.FromDownload); found.SHA256 != want || found.Input.Bytes != 6 {
		t.Errorf("%+v, want SHA-256 %s", found, want)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(index), "model-00002-of-00002.safetensors")); err != nil {
		t.Fatal(err)
	}
	h.want(index, pretrained.FromDownload) // of the missing one
	h.want(index, pretrained.FromCache)
	hubtest.UserCache(t, "timm/large", commit, sharded())
	cached := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--timm--large", "snapshots", commit,
		"model.safetensors.index.json")
	if found := h.want(cached, pretrained.FromHubCache); found.SHA256 != want {
		t.Errorf("%+v, want SHA-256 %s", found, want)
	}
	// the index may lead nowhere else
	files := sharded()
	files["model.safetensors.index.json"] = strings.ReplaceAll(files["model.safetensors.index.json"], "model-00002",
		"../../model-00002")
	h.Commit("timm/hostile", files)
	h.request.Official.Hub = "timm/hostile"
	h.wantError(fail.Model, "no name of a safetensors file")
	// by the user's own names
	t.Setenv("FX_WEIGHTS_DIR", h.weights)
	for name, content := range sharded() {
		h.put(content, h.weights, name)
	}
	if err := os.Rename(filepath.Join(h.weights, "model.safetensors.index.json"),
		filepath.Join(h.weights, "large.safetensors.index.json")); err != nil {
		t.Fatal(err)
	}
	h.request.Official.Hub = "timm/large"
	if found := h.want(filepath.Join(h.weights, "large.safetensors.index.json"), pretrained.FromDir); found.SHA256 !=
		want {
		t.Errorf("%+v", found)
	}
	if err := os.Remove(filepath.Join(h.weights, "model-00001-of-00002.safetensors")); err != nil {
		t.Fatal(err)
	}
	h.wantError(fail.Model, "the shard model-00001-of-00002.safetensors, which is missing")
}
