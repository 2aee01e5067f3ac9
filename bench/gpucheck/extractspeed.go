package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"fx/backbones"
	"fx/bench/internal/forward"
	"fx/bench/internal/markdown"
	"fx/extract"
	"fx/internal/store"
	"fx/internal/weights"
)

//go:embed torch_extract.py
var torchExtractScript []byte

// rate is photos a second, or the reason if there is none.
type rate struct {
	Rate    float64 `json:"rate"`
	Problem string  `json:"problem"`
}

func (r rate) String() string {
	switch {
	case r.Problem != "":
		return r.Problem
	case r.Rate == 0:
		return "–"
	}
	return fmt.Sprintf("%.0f", r.Rate)
}

// times returns how many times as fast fx is.
func (r rate) times(peer rate) string {
	if r.Rate == 0 || peer.Rate == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", r.Rate/peer.Rate)
}

// timed are the rates of all combinations, by program.
type timed map[string]map[combination]rate

func (r timed) set(who string, c combination, to rate) {
	if r[who] == nil {
		r[who] = map[combination]rate{}
	}
	r[who][c] = to
}

// speeds is the state of checkExtractSpeed.
type speeds struct {
	options
	*report
	end       time.Time
	weights   map[string]string // file by network, the same for all
	origin    map[string]string // description of the file's weights
	all       []combination     // to be timed
	few, many photoSet
	forward   timed
	whole     timed // end to end
	failed    []string
}

// checkExtractSpeed compares features with PyTorch's, then times the network alone and
// the whole extraction from photos to features, beside PyTorch and timm.
func checkExtractSpeed(ctx context.Context, o options, r *report) ([]string, error) {
	s := &speeds{options: o, report: r, end: time.Now().Add(time.Duration(o.minutes * float64(time.Minute))),
		forward: timed{}, whole: timed{}}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if err := r.add("## Speed of extraction\n\n%s\n\n", s.legend()); err != nil {
		return nil, err
	}
	about, torchErr := s.compare(ctx)
	if ctx.Err() != nil {
		return s.failed, ctx.Err()
	}
	if torchErr != nil {
		if err := r.add("PyTorch: skipped, %s.\n\n", oneLine(torchErr)); err != nil {
			return s.failed, err
		}
	}
	if err := s.timeOwn(ctx); err != nil {
		return s.failed, err
	}
	if torchErr == nil {
		if err := s.timePeers(ctx); err != nil {
			return s.failed, err
		}
	}
	return s.failed, r.add("%s", s.tables(about))
}

func (s *speeds) legend() string {
	var weights []string
	for _, name := range s.networks() {
		weights = append(weights, name+" "+s.origin[name])
	}
	return fmt.Sprintf("The same photos and the same weights on both sides (%s). float32 may use TensorFloat-32. "+
		"Forward: uint8 batches lie ready in page-locked memory, features come back to it, copies run beside compute. "+
		"End to end: %d photos (%s) from files to features on disk, loading of the network left out; fx decodes by %d "+
		"workers, PyTorch by a DataLoader's. "+
		"Ratios above 1 mean that fx is faster; what shows a dash was not measured.", strings.Join(weights,
		", "), len(s.many.paths), s.photosAre(), runtime.GOMAXPROCS(0))
}

func (s *speeds) photosAre() string {
	if s.data == "" {
		return "drawn ones, repeated under new names"
	}
	return "those of the data set, repeated under new names where it has fewer"
}

// prepare copies photos and weights for both sides.
func (s *speeds) prepare(ctx context.Context) (err error) {
	photos := s.data
	if photos == "" {
		if photos, err = drawPhotos(filepath.Join(s.scratch, "photos")); err != nil {
			return err
		}
	}
	if s.few, err = copyPhotos(ctx, photos, filepath.Join(s.scratch, "few"),
		min(comparedPhotos, s.photos)); err != nil {
		return err
	}
	if s.many, err = copyPhotos(ctx, photos, filepath.Join(s.scratch, "many"), s.photos); err != nil {
		return err
	}
	s.weights, s.origin = map[string]string{}, map[string]string{}
	for _, name := range s.networks() {
		if err := s.saveWeights(ctx, name); err != nil {
			return err
		}
		for _, precision := range s.extractPrecisions {
			for _, batch := range s.extractBatches {
				s.all = append(s.all, combination{name, batch, precision})
			}
		}
	}
	return nil
}

// saveWeights saves the official weights if FX_WEIGHTS_DIR has them, else those of seed 0.
func (s *speeds) saveWeights(ctx context.Context, name string) error {
	own := filepath.Join(os.Getenv("FX_WEIGHTS_DIR"), name+".safetensors")
	if _, err := os.Stat(own); err == nil && os.Getenv("FX_WEIGHTS_DIR") != "" {
		s.weights[name], s.origin[name] = own, "official"
		return nil
	}
	s.weights[name], s.origin[name] = filepath.Join(s.scratch, name+".safetensors"), "seed:0"
	var saved json.RawMessage
	return call(ctx, s.options, nil, &saved, "backbones", "save", name, "--weights", "seed:0", "--out", s.weights[name])
}

// extract runs `fx extract` on a set of photos.
func (s *speeds) extract(ctx context.Context, photos photoSet, to string, c combination) (extractSummary, error) {
	var summary extractSummary
	err := call(ctx, s.options, nil, &summary, "extract", "--backbone", c.Network, "--weights", s.weights[c.Network],
		"--data", photos.dir,
		"--out", to, "--device", s.device, "--precision", c.Precision, "--batch-size", strconv.Itoa(c.Batch))
	if err == nil && summary.Computed != len(photos.paths) {
		err = fmt.Errorf("fx extract computed %d of %d photos", summary.Computed, len(photos.paths))
	}
	if err != nil || s.rehearsal() {
		return summary, err
	}
	m, err := store.ReadManifest(to)
	if err == nil && m.Compute.Provider != "CUDAExecutionProvider" {
		err = fmt.Errorf("fx extract --device %s ran on %s", s.device, m.Compute)
	}
	return summary, err
}

// script runs torch_extract.py on a set of photos.
func (s *speeds) script(ctx context.Context, what string, photos photoSet, line func([]byte),
	more ...string) (installed, error) {
	var networks []string
	for _, name := range s.networks() {
		if slices.ContainsFunc(s.all, func(c combination) bool { return c.Network == name }) {
			networks = append(networks, name+"="+s.weights[name])
		}
	}
	list := filepath.Join(s.scratch, what+".txt")
	if err := writeList(list, photos.paths); err != nil {
		return installed{}, err
	}
	device, _, _ := strings.Cut(s.device, ":")
	return s.runPython(ctx, "torch_extract.py", torchExtractScript,
		append([]string{what, "--device", device, "--networks", strings.Join(networks, ","),
			"--photos", list, "--out", s.scratch, "--precisions", strings.Join(s.extractPrecisions,
				",")}, more...), line)
}

const noTimeLeft = "no time left"

// timeOwn times fx, in at most half of the time if there are peers to time.
func (s *speeds) timeOwn(ctx context.Context) error {
	end := s.end
	if len(s.peers) > 0 {
		end = time.Now().Add(time.Until(s.end) / 2)
	}
	for _, c := range s.all {
		if time.Now().After(end) {
			s.forward.set("fx", c, rate{Problem: noTimeLeft})
			s.whole.set("fx", c, rate{Problem: noTimeLeft})
			continue
		}
		fmt.Fprintf(s.log, "gpucheck: extraction by %s, batch %d, %s\n", c.Network, c.Batch, c.Precision)
		for _, one := range []struct {
			of     timed
			timing func(context.Context, combination) (float64, error)
		}{{s.forward, s.forwardRate}, {s.whole, s.endToEndRate}} {
			photosPerSecond, err := one.timing(ctx, c)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			result := rate{Rate: photosPerSecond}
			if err != nil {
				result = rate{Problem: oneLine(err)}
				s.failed = append(s.failed, fmt.Sprintf("%s, batch %d, %s: %v", c.Network, c.Batch, c.Precision, err))
			}
			one.of.set("fx", c, result)
		}
	}
	return nil
}

func (s *speeds) forwardRate(ctx context.Context, c combination) (float64, error) {
	e, err := openEmbedder(ctx, s.device, extract.EmbedderOptions{
		Network:   backbones.NetworkOptions{Backbone: c.Network, Weights: weights.File(s.weights[c.Network])},
		Precision: c.Precision, BatchSize: c.Batch,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = e.Close() }() // nothing is written through it
	if problem := e.Session().CaptureProblem(); problem != "" {
		return 0, fmt.Errorf("no CUDA graphs: %s", problem)
	}
	return forward.Run(ctx, e, time.Duration(s.seconds*float64(time.Second)))
}

func (s *speeds) endToEndRate(ctx context.Context, c combination) (float64, error) {
	to := filepath.Join(s.scratch, "store")
	summary, err := s.extract(ctx, s.many, to, c)
	if removed := os.RemoveAll(to); err == nil {
		err = removed
	}
	return summary.ImagesPerSecond, err
}

// timePeers times PyTorch and timm in the remaining time.
func (s *speeds) timePeers(ctx context.Context) error {
	if len(s.peers) == 0 || len(s.all) == 0 {
		return nil
	}
	wanted := map[combination]bool{}
	for _, c := range s.all {
		wanted[c] = true
	}
	_, err := s.script(ctx, "time", s.many, func(text []byte) {
		var line struct {
			combination
			rate
			Mode string `json:"mode"`
			What string `json:"what"`
		}
		if json.Unmarshal(text, &line) != nil || !wanted[line.combination] {
			return
		}
		fmt.Fprintf(s.log, "gpucheck: %s by %s, batch %d, %s, %s: %s\n", line.What, line.Network, line.Batch,
			line.Precision, line.Mode, line.rate)
		to := s.forward
		if line.What == "end to end" {
			to = s.whole
		}
		to.set(line.Mode, line.combination, line.rate)
	}, "--batches", joinInts(s.extractBatches), "--modes", strings.Join(s.peers, ","),
		"--seconds", fmt.Sprint(s.seconds), "--budget", fmt.Sprintf("%.0f", max(time.Until(s.end).Seconds(), 0)))
	return err
}

// tables returns the tables of rates.
func (s *speeds) tables(about installed) string {
	workers := "–"
	if about.Workers > 0 {
		workers = strconv.Itoa(about.Workers)
	}
	return fmt.Sprintf("Forward, photos/s:\n\n%s\n"+
		"End to end, photos/s (%d workers of fx, %s of PyTorch's DataLoader):\n\n%s\n",
		s.table(s.forward, s.peers), runtime.GOMAXPROCS(0), workers, s.table(s.whole, []string{"eager"}))
}

// table returns the rates of fx and of peers, and how many times as fast fx is.
func (s *speeds) table(rates timed, peers []string) string {
	head := append([]string{"network", "batch", "precision", "fx"}, peers...)
	for _, peer := range peers {
		head = append(head, "fx / "+peer)
	}
	var rows [][]string
	for _, c := range s.all {
		fx := rates["fx"][c]
		row := []string{c.Network, strconv.Itoa(c.Batch), c.Precision, fx.String()}
		for _, peer := range peers {
			row = append(row, rates[peer][c].String())
		}
		for _, peer := range peers {
			row = append(row, fx.times(rates[peer][c]))
		}
		rows = append(rows, row)
	}
	return markdown.Table(head, rows)
}
