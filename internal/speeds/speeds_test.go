package speeds

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheLastMeasurementOfEachIsKept(t *testing.T) {
	file := cache(t)
	if got := Here(); len(got) != 0 {
		t.Fatalf("in an empty cache: %+v", got)
	}
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, s := range []Speed{
		{"resnet18", "cpu", "float32", 80, day}, {"resnet18", "cuda", "float16", 4000, day},
		{"alexnet", "cpu", "float32", 200, day}, {"resnet18", "cpu", "float32", 87, day.Add(time.Hour)},
		{"vgg16", "cpu", "float32", math.Inf(1), day}, // not recorded
	} {
		Record(s)
	}
	want := []Speed{{"alexnet", "cpu", "float32", 200, day}, {"resnet18", "cpu", "float32", 87, day.Add(time.Hour)},
		{"resnet18", "cuda", "float16", 4000, day}}
	if got := Here(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.ReplaceAll(string(text), `"machine": "`, `"machine": "another `)
	if err := os.WriteFile(file, []byte(other), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := Here(); len(got) != 0 {
		t.Errorf("those of another machine: %+v", got)
	}
	Record(want[0])
	if d, _ := read(); len(d.Speeds) != 4 || len(Here()) != 1 {
		t.Errorf("beside another machine: %+v", d)
	}
}

func TestTheOldestAreDropped(t *testing.T) {
	cache(t)
	d := document{FormatVersion: formatVersion}
	for i := range maxRecords + 5 {
		d.Speeds = append(d.Speeds, record{"m", Speed{Network: fmt.Sprint(i)}})
	}
	write(t, d)
	Record(Speed{Network: "new"})
	d, _ = read()
	if n := len(d.Speeds); n != maxRecords || d.Speeds[n-1].Network != "new" || d.Speeds[0].Network != "6" {
		t.Errorf("%d, from %s to %s", n, d.Speeds[0].Network, d.Speeds[n-1].Network)
	}
}

// A damaged file is replaced, that of a newer fx is not, and no cache is no error.
func TestFilesThatCantBeUsed(t *testing.T) {
	file := cache(t)
	if err := os.WriteFile(file, []byte(`{"format_version": 1, "speeds"`), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := Here(); len(got) != 0 {
		t.Errorf("of a damaged file: %+v", got)
	}
	Record(Speed{Network: "resnet18"})
	if got := Here(); len(got) != 1 {
		t.Errorf("a damaged file was not replaced: %+v", got)
	}
	write(t, document{FormatVersion: formatVersion + 1, Speeds: []record{{Machine: "m"}}})
	before, _ := os.ReadFile(file)
	Record(Speed{Network: "resnet18"})
	if after, _ := os.ReadFile(file); string(after) != string(before) || len(Here()) != 0 {
		t.Errorf("the file of a newer fx was replaced: %s", after)
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FX_CACHE_DIR", filepath.Join(blocked, "cache"))
	Record(Speed{Network: "resnet18"})
	if got := Here(); len(got) != 0 {
		t.Errorf("without a cache: %+v", got)
	}
}

// cache gives the test a cache of its own, and returns the path of the file in it.
func cache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("FX_CACHE_DIR", dir)
	return filepath.Join(dir, fileName)
}

func write(t *testing.T, d document) {
	t.Helper()
	text, err := json.Marshal(d)
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv("FX_CACHE_DIR"), fileName), text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
