package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fx/bench/internal/stats"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/preprocess"
)

// measurement is the program's output.
type measurement struct {
	Program  string            `json:"program"`
	Versions map[string]string `json:"versions"`
	Photos   int               `json:"photos"`
	Pixels   int64             `json:"pixels"` // of all photos, decoded whole
	Size     int               `json:"size"`
	Rounds   int               `json:"rounds"`
	Rates    rates             `json:"images_per_second"`
}

// rates are photos a second; nil if the decoder has no scaled decoding.
type rates struct {
	Decode     float64  `json:"decode"`
	Resize     float64  `json:"resize"`
	Both       float64  `json:"both"`
	FastDecode *float64 `json:"fast_decode"`
	FastBoth   *float64 `json:"fast_both"`
}

func measure(o options) (measurement, error) {
	whole, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		return measurement{}, err
	}
	var fast *imaging.Decoder
	if whole.Exact() {
		if fast, err = imaging.NewDecoder(imaging.Options{FastDecode: true}); err != nil {
			return measurement{}, err
		}
		fast = fast.For(o.size)
	}
	files, err := readPhotos(o.data, o.photos)
	if err != nil {
		return measurement{}, err
	}
	p := &photos{files: files, spec: preprocess.ImageNet(o.size, o.size), images: make([]*imaging.Image, len(files))}
	p.view = make([]uint8, 3*o.size*o.size)
	m := measurement{
		Program: "fx", Versions: map[string]string{"decoder": whole.Name(), "instructions": imaging.InstructionSet()},
		Photos: len(files), Size: o.size, Rounds: o.rounds,
	}
	for i, data := range files {
		if p.images[i], err = whole.Decode(data); err != nil {
			return m, fail.Wrap(fail.Rejected, err, "Move it away.", "photo %d of %s", i, o.data)
		}
		m.Pixels += int64(p.images[i].W) * int64(p.images[i].H)
	}
	jobs := []func() error{
		func() error { return p.decode(whole) },
		p.resize,
		func() error { return p.both(whole) },
	}
	if fast != nil {
		jobs = append(jobs, func() error { return p.decode(fast) }, func() error { return p.both(fast) })
	}
	seconds, err := alternate(o.rounds, jobs)
	if err != nil {
		return m, err
	}
	rate := func(job int) float64 { return float64(len(files)) / stats.Median(seconds[job]) }
	m.Rates = rates{Decode: rate(0), Resize: rate(1), Both: rate(2)}
	if fast != nil {
		decode, both := rate(3), rate(4)
		m.Rates.FastDecode, m.Rates.FastBoth = &decode, &both
	}
	return m, nil
}

// alternate runs every job once a round, and once before the clock starts.
func alternate(rounds int, jobs []func() error) (seconds [][]float64, err error) {
	seconds = make([][]float64, len(jobs))
	for round := range rounds + 1 {
		for i, job := range jobs {
			start := time.Now()
			if err := job(); err != nil {
				return nil, err
			}
			if round > 0 {
				seconds[i] = append(seconds[i], time.Since(start).Seconds())
			}
		}
	}
	return seconds, nil
}

// photos is the input of the jobs; memory is reused from photo to photo, as in fx extract.
type photos struct {
	files   [][]byte
	images  []*imaging.Image // decoded whole
	spec    preprocess.Spec
	decoded imaging.Image
	view    []uint8
}

func (p *photos) decode(d *imaging.Decoder) error {
	for i, data := range p.files {
		if err := d.DecodeInto(&p.decoded, data); err != nil {
			return fmt.Errorf("photo %d: %w", i, err)
		}
	}
	return nil
}

func (p *photos) resize() error {
	for _, im := range p.images {
		if err := im.CenterView(p.spec, p.view); err != nil {
			return err
		}
	}
	return nil
}

func (p *photos) both(d *imaging.Decoder) error {
	for i, data := range p.files {
		if err := d.DecodeInto(&p.decoded, data); err != nil {
			return fmt.Errorf("photo %d: %w", i, err)
		}
		if err := p.decoded.CenterView(p.spec, p.view); err != nil {
			return err
		}
	}
	return nil
}

// readPhotos reads the JPEGs under root, sorted by path, at most limit of them unless that is 0.
func readPhotos(root string, limit int) (files [][]byte, err error) {
	var paths []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		ext := strings.ToLower(filepath.Ext(path))
		if err == nil && !e.IsDir() && (ext == ".jpg" || ext == ".jpeg") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Give a folder of photos.", "--data %s", root)
	}
	slices.Sort(paths)
	if limit > 0 && len(paths) > limit {
		paths = paths[:limit]
	}
	if len(paths) == 0 {
		return nil, fail.New(fail.Usage, "Give a folder of photos.", "no JPEG under %s", root)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, data)
	}
	return files, nil
}
