package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fx/bench/internal/command"
	"fx/bench/internal/markdown"
	"fx/bench/internal/stats"
)

// limit is the bounds of an extraction's rate, with the times of the network alone.
type limit struct {
	Operations   float64 `json:"flops"`                 // a photo
	Rate         float64 `json:"gemm_flops_per_second"` // of a large matrix product, on all threads
	Decoding     float64 `json:"decode_seconds"`        // a photo, by Pillow on one core
	TorchForward float64 `json:"forward_seconds"`       // a photo, by PyTorch on all threads
	FXForward    float64 `json:"fx_forward_seconds"`    // a photo, by fx on all threads
}

// products returns the seconds in which all threads do a photo's operations at the speed
// of a large product.
func (l limit) products() float64 { return l.Operations / l.Rate }

// imagesPerSecond returns the rate if the network only does products, every core decodes
// like Pillow, and nothing waits.
func (l limit) imagesPerSecond(threads int) float64 {
	return 1 / (l.products() + l.Decoding/float64(threads))
}

// limits measures the bounds of a network, and the time of fx's forward pass by operator.
func (w *environment) limits(ctx context.Context, network, weights string, tuned setup, o *outcome) error {
	var l limit
	if o.fact("limit", &l) {
		return nil
	}
	w.log("%s: measuring the limit and the network alone", network)
	argv := w.peer("limits.py", "--backbone", network, "--weights", weights, "--data", w.photos.dir, "--batch-size",
		strconv.Itoa(tuned.BatchSize), "--threads", strconv.Itoa(w.threads))
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

// embeddingFacts compares the rates with the processor's limits and describes the setup of the sides.
func embeddingFacts(all []outcome) string {
	var rows [][]string
	rate := productRate(all)
	profiles := ""
	for i := range all {
		o := &all[i]
		var l limit
		if !o.fact("limit", &l) {
			continue
		}
		l.Rate = rate
		var known map[string]agreement
		var tuned setup
		var profile string
		o.fact("agreement", &known)
		o.fact("tuned", &tuned)
		o.fact("profile", &profile)
		bound, share := l.imagesPerSecond(o.Setting.Threads), "—"
		if rates := inRounds(o.side("fx").values(printed("images_per_second"))); len(rates) > 0 {
			share = fmt.Sprintf("%.0f %%", 100*stats.Median(rates)/bound)
		}
		milliseconds := func(seconds float64) string { return markdown.Figure(1e3*seconds, 3) }
		rows = append(rows, []string{
			o.Title, markdown.Figure(l.Operations/1e9, 3),
			milliseconds(l.products()), milliseconds(l.FXForward), milliseconds(l.TorchForward),
			milliseconds(l.Decoding), markdown.Figure(bound, 3), share,
			far(known, "torch"), far(known, "onnxruntime"), tuned.String(),
		})
		if profile != "" {
			profiles += "\n" + strings.Replace(strings.TrimSpace(profile), "## ", "#### ", 1) + "\n"
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return fmt.Sprintf("\nThe limit, with products of 2048×2048 matrices at %s GFLOP/s, ",
		markdown.Figure(rate/1e9, 3)) +
		"and how far fx's embeddings lie from the peers':\n\n" +
		markdown.Table([]string{
			"network", "GFLOP a photo", "as a product, ms", "fx's network, ms", "PyTorch's, ms", "decoding, ms",
			"limit, images/s", "fx", "from PyTorch", "from ONNX Runtime", "PyTorch's best setup",
		}, rows) + profiles
}

// far returns the largest distance of a photo's embedding from a peer's.
func far(known map[string]agreement, peer string) string {
	a, ok := known[peer]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.1e", a.Worst)
}

// productRate returns the highest measured rate of a product, of all networks: a rate
// that other programs disturbed is not a limit.
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
