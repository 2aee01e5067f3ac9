package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
)

// profileOptions of a profile.
type profileOptions struct {
	stepOptions
	nodes int
	keep  string // file for ONNX Runtime's own profile, "" for none
}

// breakdown says where the time of a step goes. Times are milliseconds a step,
// means over the measured steps.
type breakdown struct {
	title string
	step  float64 // the whole step, of which
	run   float64 // ONNX Runtime's run is a part, of which
	ops   []spent // the operators
	nodes []spent // and the nodes are parts
}

// spent is what an operator or a node took.
type spent struct {
	name         string // of the node, "" for an operator
	op           string
	milliseconds float64
	calls        float64 // a step
	shapes       string  // of a node: inputs → outputs
}

// profile trains with ONNX Runtime's profiler and adds up what it wrote.
func profile(ctx context.Context, o profileOptions) (breakdown, error) {
	dir, err := os.MkdirTemp("", "trainstep-")
	if err != nil {
		return breakdown{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the profile of this run only
	m, close, err := train(ctx, o.stepOptions, filepath.Join(dir, "step"))
	if err != nil {
		return breakdown{}, err
	}
	close()
	files, err := filepath.Glob(filepath.Join(dir, "step*.json"))
	if err != nil || len(files) != 1 {
		return breakdown{}, fail.New(fail.Other, "", "ONNX Runtime wrote %d profiles instead of one", len(files))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return breakdown{}, err
	}
	if o.keep != "" {
		if err := os.WriteFile(o.keep, text, 0o644); err != nil {
			return breakdown{}, err
		}
	}
	b, err := addUp(text, o.warmup)
	if err != nil {
		return b, err
	}
	b.title = fmt.Sprintf("%s, batch %d, %d threads, ONNX Runtime %s", o.backbone, o.batch, o.threads, m.Versions["onnxruntime"])
	for _, ms := range m.Milliseconds {
		b.step += ms / float64(len(m.Milliseconds))
	}
	return b, nil
}

// event is an entry of ONNX Runtime's profile, which has the format of
// chrome://tracing. Times are microseconds.
type event struct {
	Category string  `json:"cat"` // "Node" or "Session"
	Name     string  `json:"name"`
	Start    float64 `json:"ts"`
	Duration float64 `json:"dur"`
	Args     struct {
		Op      string               `json:"op_name"`
		Inputs  []map[string][]int64 `json:"input_type_shape"`
		Outputs []map[string][]int64 `json:"output_type_shape"`
	} `json:"args"`
}

// addUp reads a profile of runs, the first of which are warm-up.
func addUp(text []byte, warmup int) (breakdown, error) {
	var events []event
	if err := json.Unmarshal(text, &events); err != nil {
		return breakdown{}, fail.Wrap(fail.Other, err, "", "ONNX Runtime's profile")
	}
	var runs, nodes []event
	for _, e := range events {
		switch {
		case e.Category == "Session" && e.Name == "model_run":
			runs = append(runs, e)
		case e.Category == "Node" && strings.HasSuffix(e.Name, kernelSuffix):
			nodes = append(nodes, e)
		}
	}
	slices.SortFunc(runs, func(a, b event) int { return cmp.Compare(a.Start, b.Start) })
	if len(runs) <= warmup {
		return breakdown{}, fail.New(fail.Other, "", "ONNX Runtime's profile holds %d runs, and %d of them are warm-up", len(runs), warmup)
	}
	runs = runs[warmup:]
	var b breakdown
	for _, r := range runs {
		b.run += r.Duration / 1e3 / float64(len(runs))
	}
	byOp, byNode := map[string]*spent{}, map[string]*spent{}
	for _, n := range nodes {
		if n.Start < runs[0].Start {
			continue
		}
		name := strings.TrimSuffix(n.Name, kernelSuffix)
		for _, into := range []struct {
			all map[string]*spent
			key string
			new spent
		}{{byOp, n.Args.Op, spent{op: n.Args.Op}}, {byNode, name, spent{op: n.Args.Op, name: name, shapes: n.shapes()}}} {
			s := into.all[into.key]
			if s == nil {
				s = &into.new
				into.all[into.key] = s
			}
			s.milliseconds += n.Duration / 1e3 / float64(len(runs))
			s.calls += 1 / float64(len(runs))
		}
	}
	b.ops, b.nodes = slowestFirst(byOp), slowestFirst(byNode)
	return b, nil
}

// kernelSuffix ends the name of a node's own time in a profile.
const kernelSuffix = "_kernel_time"

// shapes describes a node's tensors, such as "8×3×224×224, 64×3×3×3 → 8×64×111×111";
// of many, as the update of all parameters has them, the first.
func (e event) shapes() string {
	list := func(tensors []map[string][]int64) string {
		var all []string
		for _, t := range tensors {
			for _, shape := range t { // one, by its type
				text := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "×")
				if text == "" {
					text = "scalar"
				}
				all = append(all, text)
			}
		}
		const shown = 4
		if len(all) > shown {
			all = append(all[:shown-1], fmt.Sprintf("… %d in all", len(all)))
		}
		return strings.Join(all, ", ")
	}
	return list(e.Args.Inputs) + " → " + list(e.Args.Outputs)
}

func slowestFirst(all map[string]*spent) []spent {
	var list []spent
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b spent) int {
		return cmp.Or(cmp.Compare(b.milliseconds, a.milliseconds), strings.Compare(a.op+a.name, b.op+b.name))
	})
	return list
}

// smallShare of a step is not worth a line.
const smallShare = 0.001

// text is the breakdown as Markdown, with so many of the slowest nodes.
func (b breakdown) text(nodes int) string {
	var t strings.Builder
	fmt.Fprintf(&t, "## %s\n\n", b.title)
	fmt.Fprintf(&t, "A step takes %.1f ms, with the profiler on.\n\n", b.step)
	t.WriteString("| operator | nodes | ms a step | share |\n|---|---:|---:|---:|\n")
	row := func(name, calls string, ms float64) {
		fmt.Fprintf(&t, "| %s | %s | %.2f | %.1f %% |\n", name, calls, ms, 100*ms/b.step)
	}
	kernels, others, calls := 0.0, 0.0, 0.0
	for _, s := range b.ops {
		kernels += s.milliseconds
		if s.milliseconds < smallShare*b.step {
			others += s.milliseconds
			calls += s.calls
			continue
		}
		row(s.op, fmt.Sprintf("%.0f", s.calls), s.milliseconds)
	}
	row("the other operators", fmt.Sprintf("%.0f", calls), others)
	row("between the nodes", "", b.run-kernels)
	row("outside ONNX Runtime", "", b.step-b.run)
	t.WriteString("\n| slowest nodes | operator | ms a step | share | inputs → outputs |\n|---|---|---:|---:|---|\n")
	for _, s := range b.nodes[:min(nodes, len(b.nodes))] {
		fmt.Fprintf(&t, "| %s | %s | %.2f | %.1f %% | %s |\n", s.name, s.op, s.milliseconds, 100*s.milliseconds/b.step, s.shapes)
	}
	return t.String()
}
