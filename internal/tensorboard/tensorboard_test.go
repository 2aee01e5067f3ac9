package tensorboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/durable"
	"fx/internal/testenv"
)

// golden is the log of testdata/golden.py.
func golden() Log {
	l := Log{Start: time.UnixMilli(1767225600250), Settings: map[string]any{"lr": 0.001}}
	for i, loss := range []float64{0.6931471805599453, 0.1, 1e-30, 12345.678} {
		l.End = l.Start.Add(time.Duration(i+1) * 1500 * time.Millisecond)
		l.Points = append(l.Points, Point{Step: int64(i + 1), Time: l.End,
			Scalars: []Scalar{{"loss/train", loss}, {"accuracy/val", float64(i) / 4}}})
	}
	return l
}

// The tensorboard package's own writer makes the same bytes: framing, checksums and messages.
func TestBytesAreThoseOfTheTensorBoardPackage(t *testing.T) {
	want, err := os.ReadFile("testdata/golden.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	if got := Encode(golden()); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, the package wrote %d:\n%x\n%x", len(got), len(want), got, want)
	}
}

// The checksum of RFC 3720, B.4, masked by hand.
func TestMaskedChecksum(t *testing.T) {
	const ofZeros = 0x8a9136aa // CRC-32C of 32 bytes of 0
	rotated := uint32(ofZeros>>15 | (ofZeros<<17)&math.MaxUint32)
	want := uint32((uint64(rotated) + 0xa282ead8) & math.MaxUint32)
	if got := maskedChecksum(make([]byte, 32)); got != want {
		t.Errorf("%#x, not %#x", got, want)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A growing log is appended to the file, whatever a kill left of it; another log takes its place.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	whole := golden()
	path := filepath.Join(dir, FileName(whole.Start))
	write := func(l Log) os.FileInfo {
		t.Helper()
		if err := Write(dir, l); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(dir, FileName(l.Start)))
		if err != nil || !bytes.Equal(content, Encode(l)) {
			t.Fatalf("the file holds %d bytes, not %d, %v", len(content), len(Encode(l)), err)
		}
		info, err := os.Stat(filepath.Join(dir, FileName(l.Start)))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	short := whole
	short.Points, short.End = whole.Points[:2], time.Time{}
	first := write(short)
	if !os.SameFile(first, write(whole)) {
		t.Error("a log that goes on took another file: a TensorBoard that watches would not see it")
	}
	for size := range len(Encode(whole)) { // torn by a kill
		if err := os.Truncate(path, int64(size)); err != nil {
			t.Fatal(err)
		}
		write(whole)
	}
	write(short) // a run that began again
	changed := golden()
	changed.Points[0].Scalars[0].Value = 7
	write(changed)

	for _, name := range []string{FileName(whole.Start) + ".fx-tmp-1", "events.out.tfevents.1.somebody", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	later := golden()
	later.Start = later.Start.Add(time.Hour)
	write(later)
	want := []string{"events.out.tfevents.1.somebody", FileName(later.Start), "notes.txt"}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("the folder holds %v, not %v", got, want)
	}
	r, err := durable.Replace(dir, "root")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := errors.Join(Replace(r, dir, whole), r.Commit(nil)); err != nil {
		t.Fatal(err)
	}
	want = []string{".fx-lock", want[0], FileName(whole.Start), want[2], "root"}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("after Replace the folder holds %v, not %v", got, want)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, Encode(whole)) {
		t.Errorf("after Replace the log is of %d bytes, %v", len(got), err)
	}
}

// python is one that has the tensorboard package.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("FX_TEST_PYTHON")
	if name == "" {
		name = "python3"
	}
	if out, err := exec.Command(name, "-c", "import tensorboard").CombinedOutput(); err != nil {
		testenv.Lacks(t, testenv.Python,
			"%s has no tensorboard package (pip install tensorboard, or name another Python by FX_TEST_PYTHON): %v "+
				"%s", name, err, out)
	}
	return name
}

func TestTensorBoardReadsIt(t *testing.T) {
	interpreter := python(t)
	dir, l := t.TempDir(), golden()
	l.Settings = map[string]any{"lr": 0.001, "batch-size": 8, "seed": uint64(3), "optimizer": "sgd",
		"frozen-bn": true, "trainable": []string{"layer4.*", "fc.*"}}
	short := l
	short.Points, short.End = l.Points[:1], time.Time{}
	for _, l := range []Log{short, l} {
		if err := Write(dir, l); err != nil {
			t.Fatal(err)
		}
	}
	read := exec.Command(interpreter, "testdata/read.py", dir)
	var problems strings.Builder
	read.Stderr = &problems
	text, err := read.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var got struct {
		Scalars  map[string][][3]float64 // by tag: step, wall time, value
		Settings map[string]any
		Ended    bool
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string][][3]float64{}
	for _, p := range l.Points {
		for _, s := range p.Scalars {
			want[s.Tag] = append(want[s.Tag], [3]float64{float64(p.Step), seconds(p.Time), float64(float32(s.Value))})
		}
	}
	if !maps.EqualFunc(got.Scalars, want, func(a, b [][3]float64) bool { return slices.Equal(a, b) }) {
		t.Errorf("scalars %v, not %v", got.Scalars, want)
	}
	settings := map[string]any{"lr": 0.001, "batch-size": 8.0, "seed": 3.0, "optimizer": "sgd", "frozen-bn": true,
		"trainable": "[layer4.* fc.*]"}
	if !maps.Equal(got.Settings, settings) || !got.Ended {
		t.Errorf("settings %v, not %v; ended %v", got.Settings, settings, got.Ended)
	}
}
