package profile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
)

// Breakdown is the time of a run by operator and node. Times are milliseconds, means over
// the measured runs.
type Breakdown struct {
	Title string
	Unit  string  // what a run is, such as "step" or "photo"
	Step  float64 // the whole of it, of which
	Run   float64 // ONNX Runtime's run is a part, of which
	Ops   []Spent // the operators
	Nodes []Spent // and the nodes are parts
}

// Spent is the time of an operator or a node.
type Spent struct {
	Name         string // of the node, "" for an operator
	Op           string
	Milliseconds float64
	Calls        float64 // a run
	Shapes       string  // of a node: inputs → outputs
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

// Parse reads a profile of runs, the first of which are warm-up.
func Parse(text []byte, warmup int) (Breakdown, error) {
	var events []event
	if err := json.Unmarshal(text, &events); err != nil {
		return Breakdown{}, fail.Wrap(fail.Other, err, "", "ONNX Runtime's profile")
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
		return Breakdown{}, fail.New(fail.Other, "",
			"ONNX Runtime's profile holds %d runs, and %d of them are warm-up", len(runs), warmup)
	}
	runs = runs[warmup:]
	var b Breakdown
	for _, r := range runs {
		b.Run += r.Duration / 1e3 / float64(len(runs))
	}
	byOp, byNode := map[string]*Spent{}, map[string]*Spent{}
	for _, n := range nodes {
		if n.Start < runs[0].Start {
			continue
		}
		name := strings.TrimSuffix(n.Name, kernelSuffix)
		for _, into := range []struct {
			all map[string]*Spent
			key string
			new Spent
		}{{byOp, n.Args.Op, Spent{Op: n.Args.Op}}, {byNode, name,
			Spent{Op: n.Args.Op, Name: name, Shapes: n.shapes()}}} {
			s := into.all[into.key]
			if s == nil {
				s = &into.new
				into.all[into.key] = s
			}
			s.Milliseconds += n.Duration / 1e3 / float64(len(runs))
			s.Calls += 1 / float64(len(runs))
		}
	}
	b.Ops, b.Nodes = slowestFirst(byOp), slowestFirst(byNode)
	return b, nil
}

// kernelSuffix is the suffix of a node's own time in a profile.
const kernelSuffix = "_kernel_time"

// shapes describes a node's tensors, such as "8×3×224×224, 64×3×3×3 → 8×64×111×111";
// of many, such as those of the update of all parameters, only the first.
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

func slowestFirst(all map[string]*Spent) []Spent {
	var list []Spent
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Spent) int {
		return cmp.Or(cmp.Compare(b.Milliseconds, a.Milliseconds), strings.Compare(a.Op+a.Name, b.Op+b.Name))
	})
	return list
}

// smallShare of a step is not worth a line.
const smallShare = 0.001

// Text returns the Breakdown as Markdown, with the given number of slowest nodes.
func (b Breakdown) Text(nodes int) string {
	var t strings.Builder
	fmt.Fprintf(&t, "## %s\n\n", b.Title)
	fmt.Fprintf(&t, "A %s takes %.1f ms, with the profiler on.\n\n", b.Unit, b.Step)
	fmt.Fprintf(&t, "| operator | nodes | ms a %s | share |\n|---|---:|---:|---:|\n", b.Unit)
	row := func(name, calls string, ms float64) {
		fmt.Fprintf(&t, "| %s | %s | %.2f | %.1f %% |\n", name, calls, ms, 100*ms/b.Step)
	}
	kernels, others, calls := 0.0, 0.0, 0.0
	for _, s := range b.Ops {
		kernels += s.Milliseconds
		if s.Milliseconds < smallShare*b.Step {
			others += s.Milliseconds
			calls += s.Calls
			continue
		}
		row(s.Op, fmt.Sprintf("%.0f", s.Calls), s.Milliseconds)
	}
	row("the other operators", fmt.Sprintf("%.0f", calls), others)
	row("between the nodes", "", b.Run-kernels)
	row("outside ONNX Runtime", "", b.Step-b.Run)
	fmt.Fprintf(&t, "\n| slowest nodes | operator | ms a %s | share | inputs → outputs |\n|---|---|---:|---:|---|\n",
		b.Unit)
	for _, s := range b.Nodes[:min(nodes, len(b.Nodes))] {
		fmt.Fprintf(&t, "| %s | %s | %.2f | %.1f %% | %s |\n", s.Name, s.Op, s.Milliseconds,
			100*s.Milliseconds/b.Step, s.Shapes)
	}
	return t.String()
}

// Read parses the one profile whose name begins with prefix.
func Read(prefix string, warmup int) (b Breakdown, text []byte, err error) {
	files, err := filepath.Glob(prefix + "*.json")
	if err != nil || len(files) != 1 {
		return b, nil, fail.New(fail.Other, "", "ONNX Runtime wrote %d profiles instead of one", len(files))
	}
	if text, err = os.ReadFile(files[0]); err != nil {
		return b, nil, err
	}
	b, err = Parse(text, warmup)
	return b, text, err
}
