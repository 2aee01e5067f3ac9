package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/extract"
	"fx/internal/progress"
	"fx/internal/relative"
	"fx/internal/store"
)

// bars are the largest relative distances (L2) of a photo's features from PyTorch's in the
// same precision. Each side rounds factors to TensorFloat-32's 11 bits, or all values to
// float16, at different points. Such rounding after every layer moves the trained
// squeezenet1_1's features by 1.8e-3 on average, up to 2.5e-3, in either precision, and
// those of random weights by 3e-4; both sides may be off by as much.
var bars = map[string]float64{extract.Float32: 5e-3, extract.Float16: 1e-2}

// comparedPhotos is the number of photos whose features are compared.
const comparedPhotos = 64

// compare compares fx's features with those of PyTorch and timm, and excludes networks
// that differ from the timing. It returns an error if there is no PyTorch.
func (s *speeds) compare(ctx context.Context) (about installed, err error) {
	type theirs struct {
		Network   string `json:"network"`
		Precision string `json:"precision"`
		Mode      string `json:"mode"`
		File      string `json:"file"`
		Problem   string `json:"problem"`
	}
	if len(s.peers) == 0 {
		return about, errors.New("none was asked for")
	}
	var all []theirs
	// the same network as eager
	modes := slices.DeleteFunc(slices.Clone(s.peers), func(mode string) bool { return mode == "compile" })
	about, err = s.script(ctx, "compare", s.few, func(text []byte) {
		var t theirs
		if json.Unmarshal(text, &t) == nil {
			all = append(all, t)
		}
	}, "--modes", strings.Join(modes, ","))
	if err != nil {
		return about, err
	}
	if err := s.add("Features of %d photos beside those of PyTorch %s:\n\n| network | precision | beside | mean "+
		"distance | worst | at most | |\n|---|---|---|---:|---:|---:|---|\n", len(s.few.paths), about); err != nil {
		return about, err
	}
	stores := map[combination]string{}
	for _, t := range all {
		if t.Problem != "" {
			if t.Mode == "eager" {
				s.failed = append(s.failed, fmt.Sprintf("PyTorch's %s, %s: %s", t.Network, t.Precision, t.Problem))
			}
			continue // its column is the same
		}
		c := combination{t.Network, 32, t.Precision}
		if stores[c] == "" {
			stores[c] = filepath.Join(s.scratch, "features-"+t.Network+"-"+t.Precision)
			if _, err := s.extract(ctx, s.few, stores[c], c); err != nil {
				s.drop(c, err.Error())
				continue
			}
		}
		d, err := besideFile(stores[c], t.File, s.few)
		if err != nil {
			s.drop(c, err.Error())
			continue
		}
		bar := bars[t.Precision]
		good := d.worst <= bar // NaN is not
		if !good {
			s.drop(c, fmt.Sprintf("features are %.1e from %s's", d.worst, t.Mode))
		}
		if err := s.add("| %s | %s | %s | %.1e | %.1e | %.0e | %s |\n", t.Network, t.Precision, t.Mode, d.mean,
			d.worst, bar, verdict(good)); err != nil {
			return about, err
		}
	}
	return about, s.add("\n")
}

// drop excludes a network in a precision from the timing, because its results differ.
func (s *speeds) drop(c combination, why string) {
	s.failed = append(s.failed, fmt.Sprintf("%s, %s: %s", c.Network, c.Precision, why))
	s.all = slices.DeleteFunc(s.all, func(other combination) bool {
		return other.Network == c.Network && other.Precision == c.Precision
	})
}

// besideFile compares a store with features in a file, float32 in the order of the photos.
func besideFile(path, file string, photos photoSet) (distance, error) {
	st, err := store.Open(context.Background(), path, progress.Discard)
	if err != nil {
		return distance{}, err
	}
	defer func() { _ = st.Close() }() // only read
	raw, err := os.ReadFile(file)
	if err != nil {
		return distance{}, err
	}
	n := len(photos.paths)
	if len(st.Rows()) != n || len(raw)%(4*n) != 0 {
		return distance{}, fmt.Errorf("%d rows, and %d bytes for %d photos", len(st.Rows()), len(raw), n)
	}
	theirs := map[string][]float32{}
	size := len(raw) / n
	for i, photo := range photos.paths {
		values := make([]float32, size/4)
		for k := range values {
			values[k] = math.Float32frombits(binary.LittleEndian.Uint32(raw[i*size+4*k:]))
		}
		relative, err := filepath.Rel(photos.dir, photo)
		if err != nil {
			return distance{}, err
		}
		theirs[filepath.ToSlash(relative)] = values
	}
	var d distance
	for i, row := range st.Rows() {
		one := relative.L2(st.Embedding(i, nil), theirs[row.Path])
		d.mean += one / float64(n)
		d.worst = max(d.worst, one) // NaN stays NaN
	}
	return d, nil
}
