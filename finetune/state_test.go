package finetune

import (
	"bytes"
	"testing"

	"fx/finetune/artifacts"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// State that steps write over in place goes through the same bits as state in
// two sets that swap.
func TestStateInPlace(t *testing.T) {
	orttest.Library(t)
	for _, c := range []struct {
		name   string
		change func(*artifacts.Options)
	}{
		{"momentum", func(o *artifacts.Options) { o.Optimizer.Momentum = 0.9 }},
		{"Nesterov", func(o *artifacts.Options) {
			o.Optimizer.Momentum, o.Optimizer.Nesterov, o.Optimizer.WeightDecay, o.ClipGradNorm = 0.9, true, 0.01, 1
		}},
		{"kernels", func(o *artifacts.Options) { o.Optimizer.Momentum, o.EMA, o.Kernels = 0.9, 0.9, true }},
		{"AdamW and EMA", func(o *artifacts.Options) { o.Optimizer.Name, o.EMA = artifacts.AdamW, 0.9 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inPlace, kept := trainedState(t, c.change, true)
			swapped, all := trainedState(t, c.change, false)
			if kept >= all {
				t.Errorf("%d values in place, %d in two sets", kept, all)
			}
			for _, name := range swapped.Names() {
				want, _ := swapped.Get(name)
				if got, ok := inPlace.Get(name); !ok || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

// trainedState is the state after three steps, and how many values held it.
func trainedState(t *testing.T, change func(*artifacts.Options), inPlace bool) (*weights.StateDict, int) {
	t.Helper()
	rt := orttest.Runtime(t)
	o := small("", "")
	o.Network.Backbone = "resnet18" // has statistics, momenta and a Gemm that takes one in
	o, err := o.resolved()
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := openNetwork(t.Context(), o.Network, false, 2, 0, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	graphOptions := artifacts.Options{Batch: 4, Probe: ortprobe.New(rt)}
	change(&graphOptions)
	g, err := n.Step(graphOptions)
	if err != nil {
		t.Fatal(err)
	}
	if !inPlace {
		for i := range g.State {
			g.State[i].InPlace = false
		}
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newCompiledGraph(rt, ort.SessionOptions{Device: ort.CPU}, g)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if p.state, err = newState(t.Context(), p.session, []*artifacts.Graph{g}, initial); err != nil {
		t.Fatal(err)
	}
	defer p.state.close()
	defer p.closeBindings()
	l := &loader{spec: n.Preprocess, session: p.session}
	b, err := l.allocate(job{train: true, items: make([]int, 4)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	pixels := ort.Data[uint8](b.images.Tensor())
	for i := range pixels {
		pixels[i] = uint8(i * i)
	}
	copy(ort.Data[int64](b.labels.Tensor()), []int64{0, 1, 1, 0})
	p.input(g.LearningRate, 0.01)
	for range 3 {
		if err := p.run(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		p.commit()
	}
	all, err := p.state.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	copied, values := weights.NewStateDict(), map[*ort.Value]bool{}
	for _, c := range p.state.cells {
		tensor, _ := all.Get(c.Name)
		tensor.Data = bytes.Clone(tensor.Data)
		copied.Set(c.Name, tensor)
		values[c.values[0]], values[c.values[1]] = true, true
	}
	return copied, len(values)
}
