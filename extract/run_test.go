package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/backbones"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
	"fx/internal/store"
	"fx/internal/weights"
)

// childEnv makes the test binary one extract that a test can kill.
const childEnv = "FX_TEST_EXTRACT"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		var o Options
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			panic(err)
		}
		if _, err := Run(context.Background(), o, progress.Discard); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(int(fail.KindOf(err)))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noise writes a small photo of random blocks.
func noise(t testing.TB, path string, number uint64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	picture := image.NewRGBA(image.Rect(0, 0, 40, 32))
	s := random.New(number, "noise")
	for i := range picture.Pix {
		picture.Pix[i] = uint8(s.Uint32())
		if i%4 == 3 {
			picture.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// photos makes a data set of n photos a class, in train/ and val/.
func photos(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i, class := range []string{"train/ants", "train/bees", "val/ants", "val/bees"} {
		for k := range n {
			noise(t, filepath.Join(dir, class, fmt.Sprintf("%02d.png", k)), uint64(100*i+k))
		}
	}
	return dir
}

// options extracts with a network that is small at 64 pixels.
func options(data, out string) Options {
	return Options{
		Embedder: EmbedderOptions{
			Environment: environment.Environment{Device: ort.CPU},
			Network: backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 64,
				Crop: 64},
		},
		Data: data, Store: out, TrainSplit: "train",
	}
}

func mustRun(t *testing.T, o Options, computed, cached, rejected int) Summary {
	t.Helper()
	s, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatalf("%v (%s)", err, fail.HintOf(err))
	}
	if s.Computed != computed || s.Cached != cached || len(s.Rejected) != rejected {
		t.Errorf("%d computed, %d cached, rejected %v; want %d, %d, %d", s.Computed, s.Cached, s.Rejected, computed,
			cached, rejected)
	}
	return s
}

// content is every row of a store by path and view.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := store.Open(t.Context(), dir, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	rows := map[string]string{}
	for i, row := range s.Rows() {
		rows[fmt.Sprintf("%s #%d", row.Path, row.View)] = fmt.Sprintf("%d %v", row.Label, s.Embedding(i, nil))
	}
	return rows
}

func sameContent(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: row %s differs", what, key)
		}
	}
}

func TestOnlyWhatChangedIsComputed(t *testing.T) {
	orttest.Library(t)
	data, out := photos(t, 3), filepath.Join(t.TempDir(), "store")
	o := options(data, out)
	s := mustRun(t, o, 12, 0, 0)
	if s.Images != 12 || fmt.Sprint(s.FeatureShape) != "[512 3 3]" || s.Provider != "CPUExecutionProvider" ||
		s.ImagesPerSecond <= 0 {
		t.Errorf("summary %+v", s)
	}
	mustRun(t, o, 0, 12, 0)

	changed := filepath.Join(data, "train/ants/01.png")
	noise(t, changed, 999)
	mustRun(t, o, 1, 11, 0)

	if err := os.Rename(filepath.Join(data, "val/bees/02.png"), filepath.Join(data, "val/ants/moved.png")); err != nil {
		t.Fatal(err)
	}
	mustRun(t, o, 0, 12, 0) // the same photo under another name and class

	if err := os.Remove(changed); err != nil {
		t.Fatal(err)
	}
	mustRun(t, o, 0, 11, 0)

	o.Views = 2
	mustRun(t, o, 10, 11, 0) // two views of each of five training photos

	fresh := o
	fresh.Store = filepath.Join(t.TempDir(), "fresh")
	mustRun(t, fresh, 21, 0, 0)
	sameContent(t, "a store that went through changes", content(t, out), content(t, fresh.Store))
}

// A store keeps its random views: a later run that can't tell whose they are is refused.
func TestViewsOfAnUnusualSplit(t *testing.T) {
	orttest.Library(t)
	data, out := photos(t, 1), filepath.Join(t.TempDir(), "store")
	if err := os.Rename(filepath.Join(data, "train"), filepath.Join(data, "learn")); err != nil {
		t.Fatal(err)
	}
	o := options(data, out)
	o.TrainSplit, o.Views = "learn", 2
	mustRun(t, o, 8, 0, 0) // two views of each of the two training photos
	again := o
	again.TrainSplit, again.Views = "", 0
	_, err := Run(t.Context(), again, progress.Discard)
	if fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "--train-split") {
		t.Errorf("%v (%s)", err, fail.HintOf(err))
	}
	again.TrainSplit = "learn"
	mustRun(t, again, 0, 8, 0)
}

// One split alone keeps the labels of all classes, and the store knows where the
// photos lay, also when they moved and nothing was computed.
func TestOneSplitAlone(t *testing.T) {
	orttest.Library(t)
	data, out := photos(t, 2), filepath.Join(t.TempDir(), "store")
	ants := filepath.Join(data, "val/ants") // the class stays, without a photo
	for _, err := range []error{os.RemoveAll(ants), os.Mkdir(ants, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o := options(data, out)
	o.Splits = []string{"val"}
	mustRun(t, o, 2, 0, 0)
	s, err := store.Open(t.Context(), out, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range s.Rows() {
		if row.Split != "val" || row.Class != "bees" || row.Label != 1 {
			t.Errorf("row %+v", row)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Data = filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(data, o.Data); err != nil {
		t.Fatal(err)
	}
	mustRun(t, o, 0, 2, 0)
	if m, err := store.ReadManifest(out); err != nil || m.Made.Data != o.Data {
		t.Errorf("the photos lie in %q, %v; want %q", m.Made.Data, err, o.Data)
	}
	o.Splits = []string{"test"}
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), `no split "test"`) {
		t.Errorf("an unknown split: %v", err)
	}
}

func TestEveryDifferenceIsNamed(t *testing.T) {
	orttest.Library(t)
	data, out := photos(t, 1), filepath.Join(t.TempDir(), "store")
	base := options(data, out)
	mustRun(t, base, 4, 0, 0)
	before := content(t, out)
	for says, change := range map[string]func(*Options){
		"weights: seed:0":             func(o *Options) { o.Embedder.Network.Weights = weights.Seed(1) },
		"resize: 64 in the store, 80": func(o *Options) { o.Embedder.Network.Resize = 80 },
		"crop: 64 in the store, 96":   func(o *Options) { o.Embedder.Network.Crop = 96 },
		"dtype: float32":              func(o *Options) { o.DType = "float16" },
		"EXIF orientation: ignore":    func(o *Options) { o.EXIF = "apply" },
		"backbone: squeezenet1_1":     func(o *Options) { o.Embedder.Network.Backbone = "squeezenet1_0" },
	} {
		o := base
		change(&o)
		_, err := Run(t.Context(), o, progress.Discard)
		if err == nil || !strings.Contains(err.Error(), says) || fail.KindOf(err) != fail.Usage ||
			fail.HintOf(err) == "" {
			t.Errorf("%s: %v (kind %d)", says, err, fail.KindOf(err))
		}
	}
	sameContent(t, "after refused runs", content(t, out), before)
}

func TestBadPhotosAreRejectedWithTheirReason(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 2)
	for name, bytes := range map[string]string{"zero.jpg": "", "text.jpg": "hello",
		"cut.png": "\x89PNG\r\n\x1a\n\x00\x00"} {
		if err := os.WriteFile(filepath.Join(data, "train/ants", name), []byte(bytes), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, "train/ants/notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(data, filepath.Join(t.TempDir(), "store"))
	s := mustRun(t, o, 8, 0, 3)
	for _, r := range s.Rejected {
		if !strings.HasPrefix(r.Path, "train/ants/") || r.Reason == "" {
			t.Errorf("rejection %+v", r)
		}
	}
	if len(s.Skipped) != 1 || !strings.Contains(s.Skipped[0].Path, "notes.txt") {
		t.Errorf("skipped %+v", s.Skipped)
	}
	mustRun(t, o, 0, 8, 3)
	watch := &counter{}
	o.Store = filepath.Join(t.TempDir(), "counted")
	if _, err := Run(t.Context(), o, watch); err != nil || watch.done != watch.total {
		t.Errorf("%d of %d images are done where some are rejected, %v", watch.done, watch.total, err)
	}

	o.Store, o.OnBadImage = filepath.Join(t.TempDir(), "strict"), "fail"
	_, err := Run(t.Context(), o, progress.Discard)
	if fail.KindOf(err) != fail.Rejected {
		t.Errorf("--on-bad-image fail: %v", err)
	}
}

// counter counts what the stage extract counts as done.
type counter struct {
	total, done int64
}

func (c *counter) Begin(stage string, total int64, unit string) progress.Task {
	if stage != "extract" {
		return progress.Discard.Begin(stage, total, unit)
	}
	c.total = total
	return c
}
func (c *counter) Note(string) {}
func (c *counter) Add(n int64) { c.done += n }
func (c *counter) End()        {}

// The error itself gives a reason: a caller may show nothing else.
func TestNoneUsable(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"train/ants/a.png", "train/bees/b.png"} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte("no photo"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Run(t.Context(), options(dir, filepath.Join(t.TempDir(), "store")), progress.Discard)
	if fail.KindOf(err) != fail.Rejected || fail.HintOf(err) == "" ||
		!strings.Contains(err.Error(), "train/ants/a.png: not an image") ||
		!strings.Contains(err.Error(), "and 1 more") {
		t.Errorf("%v", err)
	}
}

func TestUnknownDeviceIsRefusedWithoutTouchingAnything(t *testing.T) {
	orttest.Library(t)
	o := options(photos(t, 1), filepath.Join(t.TempDir(), "store"))
	o.Embedder.Device = ort.CUDA
	_, err := Run(t.Context(), o, progress.Discard)
	if err == nil {
		t.Skip("this machine has a GPU")
	}
	if fail.KindOf(err) != fail.Device {
		t.Errorf("%v (kind %d)", err, fail.KindOf(err))
	}
	if _, err := os.Stat(o.Store); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store was made: %v", err)
	}
}

// A row's bits must not depend on its neighbours: shards and resumed runs
// put other photos into its batch.
func TestShardsMakeTheSameRows(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 4)
	whole := options(data, filepath.Join(t.TempDir(), "whole"))
	mustRun(t, whole, 16, 0, 0)
	parts := options(data, filepath.Join(t.TempDir(), "parts"))
	total := 0
	for _, shard := range []string{"0/3", "1/3", "2/3"} {
		parts.Shard = shard
		s, err := Run(t.Context(), parts, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		total += s.Computed
	}
	if total != 16 {
		t.Errorf("three shards computed %d rows", total)
	}
	parts.Shard = ""
	mustRun(t, parts, 0, 16, 0)
	sameContent(t, "three shards", content(t, parts.Store), content(t, whole.Store))
}

func TestKilledRunGoesOnToTheSameBytes(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 40)
	undisturbed := options(data, filepath.Join(t.TempDir(), "undisturbed"))
	undisturbed.RowsPerShard = 20
	start := time.Now()
	mustRun(t, undisturbed, 160, 0, 0)
	took := time.Since(start)

	killed := undisturbed
	killed.Store = filepath.Join(t.TempDir(), "killed")
	text, err := json.Marshal(killed)
	if err != nil {
		t.Fatal(err)
	}
	s := random.New(0, "kill")
	for range 8 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+string(text))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(s.Float64() * float64(took)))
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed, or had just ended
	}
	if _, err := Run(t.Context(), killed, progress.Discard); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.Glob(filepath.Join(undisturbed.Store, "*.arrow"))
	if err != nil || len(want) < 2 {
		t.Fatalf("%d shards, %v: too few to be killed between", len(want), err)
	}
	got, err := filepath.Glob(filepath.Join(killed.Store, "*.arrow*"))
	if err != nil || len(got) != len(want) {
		t.Fatalf("files %v, want %v", got, want)
	}
	for i := range want {
		a, errA := os.ReadFile(want[i])
		b, errB := os.ReadFile(got[i])
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from the undisturbed run's", filepath.Base(want[i]))
		}
	}
}

func TestParseShard(t *testing.T) {
	for _, c := range []struct {
		text string
		env  map[string]string
		want store.Shard
		bad  bool
	}{
		{text: "", want: store.Shard{}},
		{text: "1/4", want: store.Shard{Index: 1, Count: 4}},
		{text: "4/4", bad: true},
		{text: "auto", bad: true},
		{text: "auto/4", bad: true},
		{text: "auto/4", env: map[string]string{"JOB_COMPLETION_INDEX": "3"}, want: store.Shard{Index: 3, Count: 4}},
		{text: "auto", env: map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3",
			"SLURM_ARRAY_TASK_COUNT": "4"}, want: store.Shard{Index: 2, Count: 4}},
		{text: "auto", env: map[string]string{"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_COUNT": "4"}, bad: true},
	} {
		got, err := parseShard(c.text, func(name string) string { return c.env[name] })
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("%q %v: %+v, %v", c.text, c.env, got, err)
		}
		if err != nil && fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: kind %d", c.text, fail.KindOf(err))
		}
	}
}

func Example_shard() {
	shard, err := parseShard("auto/8", func(name string) string {
		return map[string]string{"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "0"}[name]
	})
	fmt.Println(shard, err)
	// Output: 3/8 <nil>
}
