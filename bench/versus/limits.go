package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fx/bench/internal/command"
	"fx/bench/internal/stats"
)

// limit is what bounds the rate of an extraction, and what the network takes alone.
type limit struct {
	Operations   float64 `json:"flops"`                 // a photo
	Rate         float64 `json:"gemm_flops_per_second"` // of a large matrix product, on all threads
	Decoding     float64 `json:"decode_seconds"`        // a photo, by Pillow on one core
	TorchForward float64 `json:"forward_seconds"`       // a photo, by PyTorch on all threads
	FXForward    float64 `json:"fx_forward_seconds"`    // a photo, by fx on all threads
}

// products is the time in which all threads do a photo's operations as fast as
// in a large product, in seconds.
func (l limit) products() float64 { return l.Operations / l.Rate }

// imagesPerSecond is the rate where products are all that the network does,
// and photos are decoded as Pillow does on every core, and nothing ever waits.
func (l limit) imagesPerSecond(threads int) float64 {
	return 1 / (l.products() + l.Decoding/float64(threads))
}

// limits measures what bounds a network, and where fx's forward pass spends its time.
func (w *workshop) limits(ctx context.Context, network, weights string, tuned setup, o *outcome) error {
	var l limit
	if o.fact("limit", &l) {
		return nil
	}
	w.log("%s: measuring the limit and the network alone", network)
	argv := w.peer("limits.py", "--backbone", network, "--weights", weights, "--data", w.photos.dir, "--batch-size", strconv.Itoa(tuned.BatchSize), "--threads", strconv.Itoa(w.threads))
	if err := needJSON(ctx, argv, &l); err != nil {
		return err
	}
	program, err := w.goProgram(ctx, "forward", "bench", "forward")
	if err != nil {
		return err
	}
	alone := []string{program, "--backbone", network, "--weights", weights}
	var measured struct {
		Milliseconds []float64 `json:"milliseconds_a_photo"`
	}
	if err := needJSON(ctx, append(alone, "--workers", strconv.Itoa(w.threads)), &measured); err != nil {
		return err
	}
	if len(measured.Milliseconds) == 0 {
		return fmt.Errorf("%s measured nothing", program)
	}
	l.FXForward = stats.Median(measured.Milliseconds) / 1e3
	profile, err := command.Output(ctx, program, append(alone[1:], "--profile", "--nodes", "5")...)
	if err != nil {
		return err
	}
	if err := o.know("profile", string(profile)); err != nil {
		return err
	}
	return o.know("limit", l)
}

// limits sets the rates beside what the processor could do, stage by stage.
func (p *page) limits(all []outcome) {
	steady := printed("images_per_second")
	var bounds, stages [][]string
	rate := productRate(all)
	for i := range all {
		o := &all[i]
		var l limit
		if !o.fact("limit", &l) {
			continue
		}
		l.Rate = rate
		threads := o.Setting.Threads
		bound := l.imagesPerSecond(threads)
		row := []string{o.Title, figure(l.Operations / 1e9), figure(l.Decoding * 1e3), figure(bound)}
		for _, name := range embeddingSides {
			row = append(row, share(o.side(name), steady, bound))
		}
		bounds = append(bounds, row)
		stages = append(stages, []string{
			o.Title, figure(1e3 * l.products()), figure(1e3 * l.FXForward), figure(1e3 * l.TorchForward), figure(1e3 * l.Decoding / float64(threads)),
			endToEnd(o.side("fx")), endToEnd(o.side("torch")),
		})
	}
	if len(bounds) == 0 {
		return
	}
	p.text("### The limit\n\n")
	p.text("A network's operations (of convolutions and dense layers; a multiplication and an addition are two) at the rate of a\n")
	p.text("2048×2048 float32 matrix product by PyTorch's BLAS on all threads (%s GFLOP/s), and a photo's decoding and resizing by Pillow on one core,\n", figure(rate/1e9))
	p.text("spread over the cores: images a second where nothing ever waits. The other columns say how much of it each side reaches. Algorithms that\n")
	p.text("need fewer multiplications (Winograd's) and faster resizing can exceed it.\n")
	p.table([]string{"network", "GFLOP a photo", "decoding, ms", "limit, images/s", "fx", "PyTorch", "timm", "ONNX Runtime"}, bounds)
	p.text("The same in milliseconds a photo, on all cores: the operations as a product, the network alone (fx as `fx extract` runs it, PyTorch in channels_last\n")
	p.text("with its best batch), decoding and resizing by Pillow, and the whole from photos to disk.\n")
	p.table([]string{"network", "as a product", "fx's network", "PyTorch's network", "Pillow's decoding", "fx, whole", "PyTorch, whole"}, stages)
	p.profiles(all)
}

// productRate is the highest rate of a product that was measured beside any of
// the networks: one that other programs disturbed is no limit.
func productRate(all []outcome) float64 {
	best := 0.0
	for i := range all {
		var l limit
		if all[i].fact("limit", &l) {
			best = max(best, l.Rate)
		}
	}
	return best
}

// share is the part of a bound that a side reaches.
func share(s *sideOutcome, m metric, bound float64) string {
	if rates := inRounds(s.values(m)); len(rates) > 0 {
		return fmt.Sprintf("%.0f %%", 100*stats.Median(rates)/bound)
	}
	return cell(s, m)
}

// endToEnd is the median time of a photo, in milliseconds.
func endToEnd(s *sideOutcome) string {
	if rates := inRounds(s.values(printed("images_per_second"))); len(rates) > 0 {
		return figure(1e3 / stats.Median(rates))
	}
	return cell(s, printed("images_per_second"))
}

// profiles says where fx's networks spend their time.
func (p *page) profiles(all []outcome) {
	title := "### Where the time of fx's network goes\n\n"
	for i := range all {
		var text string
		if all[i].fact("profile", &text) && text != "" {
			p.text("%s%s\n", title, strings.Replace(strings.TrimSpace(text), "## ", "#### ", 1))
			title = "\n"
		}
	}
}

// inRounds are values without their rounds, lowest first.
func inRounds(values map[int]float64) []float64 {
	var all []float64
	for _, v := range values {
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}
