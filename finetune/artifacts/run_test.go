package artifacts_test

import (
	"context"
	"fmt"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/weights"
)

func probe(t testing.TB) autodiff.Probe { return ortprobe.New(orttest.Runtime(t)) }

// seeded returns a registered network with the weights of seed 0.
func seeded(t testing.TB, name string) *artifacts.Network {
	t.Helper()
	b, err := backbones.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := backbones.SeedWeights(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := artifacts.FromBackbone(b, sd, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// runner runs a graph over and over, its state going round.
type runner struct {
	graph   *artifacts.Graph
	session *ort.Session
	state   map[string]ort.Tensor
}

func newRunner(t testing.TB, g *artifacts.Graph, initial *weights.StateDict) *runner {
	t.Helper()
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		t.Fatal(err)
	}
	session, err := orttest.Runtime(t).NewSession(data, ort.SessionOptions{Device: ort.CPU})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	r := &runner{graph: g, session: session, state: map[string]ort.Tensor{}}
	for _, s := range g.State {
		v, ok := initial.Get(s.Name)
		if !ok {
			t.Fatalf("no initial value of %s", s.Name)
		}
		f, err := v.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		r.state[s.Name] = ort.NewTensor(f, s.Shape...)
	}
	return r
}

// run feeds the inputs, replaces the state, and returns the other outputs.
func (r *runner) run(feeds map[string]ort.Tensor) (map[string]ort.Tensor, error) {
	var in []ort.Tensor
	for _, info := range r.session.Inputs() {
		v, ok := feeds[info.Name]
		if !ok {
			if v, ok = r.state[info.Name]; !ok {
				return nil, fmt.Errorf("nothing for input %s", info.Name)
			}
		}
		in = append(in, v)
	}
	infos := r.session.Outputs()
	out := make([]ort.Tensor, len(infos))
	if err := r.session.Run(context.Background(), in, out); err != nil {
		return nil, err
	}
	results := map[string]ort.Tensor{}
	for i, info := range infos {
		results[info.Name] = out[i]
	}
	for _, s := range r.graph.State {
		if s.Next != "" {
			r.state[s.Name] = results[s.Next]
			delete(results, s.Next)
		}
	}
	return results, nil
}
