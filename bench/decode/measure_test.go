package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
)

func TestMeasurement(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jpg", "ants/b.JPEG", "ants/c.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, 90, 70), image.YCbCrSubsampleRatio420),
			nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--data", dir, "--rounds", "2", "--size", "32"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	var m measurement
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if m.Photos != 2 || m.Pixels != 2*90*70 || m.Rates.Decode <= 0 || m.Rates.Resize <= 0 || m.Rates.Both <= 0 {
		t.Errorf("%+v", m)
	}
	if exact := strings.HasPrefix(m.Versions["decoder"], "libjpeg-turbo"); exact != (m.Rates.FastBoth != nil) {
		t.Errorf("decoder %s, fast %v", m.Versions["decoder"], m.Rates.FastBoth)
	}
}

func TestMisuse(t *testing.T) {
	for _, args := range [][]string{{"--data", t.TempDir()}, {"--data", "no such folder"},
		{"--data", ".", "--rounds", "0"}, {"--size"}, {"x"}} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); fail.KindOf(err) != fail.Usage ||
			fail.HintOf(err) == "" {
			t.Errorf("%v: %v", args, err)
		}
	}
}
