package autodiff_test

import (
	"context"
	"fmt"
	"math"
	"slices"

	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/random"
)

// variable is an input of a case: differentiable, with values that keep away
// from the corners of the op under test.
type variable struct {
	name  string
	shape []int64
	fill  func(s *random.Stream) float64 // standard normal where nil

	distinct bool    // values that all differ, by 1/8 at least, and lie on a grid
	shift    float64 // of that grid
}

func (v variable) draw(s *random.Stream) []float64 {
	if v.distinct {
		values := make([]float64, product(v.shape))
		for i, p := range s.Perm(len(values)) {
			values[i] = float64(p-len(values)/2)/8 + v.shift
		}
		return values
	}
	if v.fill != nil {
		return draw(v.shape, func() float64 { return v.fill(s) })
	}
	return draw(v.shape, s.Normal)
}

// gradientCase is a small graph to differentiate.
type gradientCase struct {
	name      string
	op        string // the op whose rule it covers
	variables []variable
	build     func(b *onnx.Builder) string // adds the nodes, returns the output
	step      float64                      // of the finite difference, 1/128 where 0; bilinear ops take 1
	tolerance float64                      // relative, of the inner product; 2e-4 where 0
	frozen    bool                         // batch normalization
	kernels   bool                         // by the ops of package kernels
	wrong     float64                      // multiplies the gradients, to test the checker
	low       pb.TensorProto_DataType      // of mixed precision
	opset     int64                        // where the op is newer than 20
}

func (g gradientCase) model() (*pb.ModelProto, string) {
	graph := &pb.GraphProto{Name: g.name}
	b := onnx.NewBuilder(graph, "")
	for _, v := range g.variables {
		b.Input(tensorInfo(v.name, v.shape))
	}
	y := g.build(b)
	graph.Output = []*pb.ValueInfoProto{{Name: y}}
	m := &pb.ModelProto{IrVersion: 9, Graph: graph}
	onnx.SetOpset(m, "", max(g.opset, 20))
	return m, y
}

func tensorInfo(name string, shape []int64) *pb.ValueInfoProto {
	dims := make([]any, len(shape))
	for i, d := range shape {
		dims[i] = d
	}
	return onnx.TensorInfo(name, pb.TensorProto_FLOAT, dims...)
}

// check compares <v, (f(x+hu) - f(x-hu))/2h> with <Jᵀv, u> for directions u and
// v. To keep the product away from zero, where rounding would decide, half of v
// points along the difference itself. Differences of floats are summed in
// float64.
func (g gradientCase) check(rt *ort.Runtime) error {
	m, y := g.model()
	var names []string
	for _, v := range g.variables {
		names = append(names, v.name)
	}
	graph, err := autodiff.New(m, autodiff.Options{Trainable: names, Probe: ortprobe.New(rt),
		FrozenBatchNorm: g.frozen, Kernels: g.kernels, Low: g.low})
	if err != nil {
		return err
	}
	out, _ := graph.Value(y)
	seed := graph.Build.Input(tensorInfo("seed", out.Shape))
	gradients, err := graph.Backward(map[string]string{y: seed})
	if err != nil {
		return err
	}
	outputs := []*pb.ValueInfoProto{tensorInfo(y, out.Shape)}
	for _, v := range g.variables {
		if gradients[v.name] == "" {
			return fmt.Errorf("no gradient of %s", v.name)
		}
		outputs = append(outputs, tensorInfo(graph.Op("Identity", gradients[v.name]), v.shape))
	}
	noise := graph.Noise
	step, err := graph.Finish(outputs...)
	if err != nil {
		return err
	}
	data, err := onnx.Marshal(step)
	if err != nil {
		return err
	}
	session, err := rt.NewSession(data, ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		return err
	}
	defer session.Close()

	stream := random.New(7, g.name)
	values := map[string][]float64{}
	for _, v := range g.variables {
		values[v.name] = v.draw(stream)
	}
	for _, n := range noise {
		values[n.Name] = draw(n.Shape, func() float64 {
			if u := stream.Float64(); n.Drop == 0 || u >= n.Drop {
				return 1 / (1 - n.Drop)
			}
			return 0
		})
	}
	for _, info := range session.Inputs() { // running statistics that a kernel carries on, and nothing here reads
		if values[info.Name] == nil {
			values[info.Name] = slices.Repeat([]float64{1}, int(product(info.Shape)))
		}
	}
	values["seed"] = make([]float64, product(out.Shape))
	run := func() ([][]float64, error) {
		var in, results []ort.Tensor
		for _, info := range session.Inputs() {
			in = append(in, ort.NewTensor(narrow(values[info.Name]), info.Shape...))
		}
		results = make([]ort.Tensor, len(outputs))
		if err := session.Run(context.Background(), in, results); err != nil {
			return nil, err
		}
		var all [][]float64
		for i, r := range results {
			if i > 0 && !slices.Equal(r.Shape(), g.variables[i-1].shape) {
				return nil, fmt.Errorf("gradient of %s has shape %v instead of %v", g.variables[i-1].name, r.Shape(),
					g.variables[i-1].shape)
			}
			all = append(all, widen(ort.Data[float32](r)))
		}
		return all, nil
	}

	h, tolerance := g.step, g.tolerance
	if h == 0 {
		h = 1.0 / 128
	}
	if tolerance == 0 {
		tolerance = 2e-4
	}
	for i, v := range g.variables {
		base := values[v.name]
		for trial := range 2 {
			// few digits: x+hu is nearly exact
			u := draw(v.shape, func() float64 { return math.Round(stream.Normal()*64) / 64 })
			values[v.name] = along(base, u, h)
			high, err := run()
			if err != nil {
				return err
			}
			values[v.name] = along(base, u, -h)
			low, err := run()
			if err != nil {
				return err
			}
			values[v.name] = base
			difference := make([]float64, len(high[0]))
			var norm float64
			for k := range difference {
				difference[k] = (high[0][k] - low[0][k]) / (2 * h)
				norm += difference[k] * difference[k]
			}
			norm = math.Sqrt(norm / float64(len(difference)))
			seed := draw(out.Shape, stream.Normal)
			var numeric float64
			for k := range seed {
				if norm > 0 {
					seed[k] += difference[k] / norm
				}
				seed[k] = float64(float32(seed[k]))
				numeric += seed[k] * difference[k]
			}
			values["seed"] = seed
			results, err := run()
			if err != nil {
				return err
			}
			var analytic float64
			for k, d := range results[1+i] {
				analytic += d * u[k]
			}
			if g.wrong != 0 {
				analytic *= g.wrong
			}
			if !(math.Abs(analytic-numeric) <= tolerance*math.Abs(numeric)) || norm == 0 {
				return fmt.Errorf("with respect to %s, trial %d: the rule says %.7g, the difference %.7g (relative "+
					"error %.2g, allowed %.2g)",
					v.name, trial, analytic, numeric, math.Abs(analytic-numeric)/math.Abs(numeric), tolerance)
			}
		}
	}
	return nil
}

func draw(shape []int64, next func() float64) []float64 {
	v := make([]float64, product(shape))
	for i := range v {
		v[i] = float64(float32(next()))
	}
	return v
}

func along(x, u []float64, h float64) []float64 {
	v := make([]float64, len(x))
	for i := range v {
		v[i] = x[i] + h*u[i]
	}
	return v
}

func product(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

func narrow(v []float64) []float32 {
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	return f
}

func widen(v []float32) []float64 {
	f := make([]float64, len(v))
	for i := range v {
		f[i] = float64(v[i])
	}
	return f
}
