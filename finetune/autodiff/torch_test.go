package autodiff_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

// torchCase is an entry of testdata/rules.json.
type torchCase struct {
	Op         string                       `json:"op"`
	Shapes     [][]int64                    `json:"shapes"`
	Attributes map[string]json.RawMessage   `json:"attributes"`
	Constants  map[string][]json.RawMessage `json:"constants"` // by position: type, shape, values
	Interval   [2]float64                   `json:"interval"`
	Output     []int64                      `json:"output"`
	Gradients  [][]float64                  `json:"gradients"`
}

// TestRulesAgainstTorch compares gradients with PyTorch's in float64. A norm or a
// projection may differ by 2e-5 of the norm: float32's rounding over a few
// hundred terms.
func TestRulesAgainstTorch(t *testing.T) {
	rt := orttest.Runtime(t)
	text, err := os.ReadFile("testdata/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []torchCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, c := range cases {
		seen[c.Op] = true
		t.Run(fmt.Sprint(c.Op, "/", i), func(t *testing.T) {
			if err := c.check(rt, false); err != nil {
				t.Errorf("shapes %v, attributes %s: %v", c.Shapes, c.Attributes, err)
			}
			if !autodiff.HasKernel(c.Op) {
				return
			}
			if err := c.check(rt, true); err != nil {
				t.Errorf("by kernels, shapes %v, attributes %s: %v", c.Shapes, c.Attributes, err)
			}
		})
	}
	for _, info := range autodiff.Ops() {
		switch info.Op {
		case "Cast", "CastLike", "Dropout": // nothing in torch to compare: a copy, and a product with our mask
		default:
			if info.Group != "no gradient" && !seen[info.Op] {
				t.Errorf("no golden of %s", info.Op)
			}
		}
	}
}

func (c torchCase) check(rt *ort.Runtime, kernels bool) error {
	g := &pb.GraphProto{Name: c.Op}
	b := onnx.NewBuilder(g, "")
	inputs := make([]string, len(c.Shapes)+len(c.Constants))
	var names []string
	for position := range inputs {
		if constant, ok := c.Constants[strconv.Itoa(position)]; ok {
			t, err := constantTensor(constant)
			if err != nil {
				return err
			}
			inputs[position] = b.Constant(t)
			continue
		}
		name := fmt.Sprint("x", len(names))
		inputs[position] = b.Input(tensorInfo(name, c.Shapes[len(names)]))
		names = append(names, name)
	}
	attributes, frozen, err := c.attributes()
	if err != nil {
		return err
	}
	outputs := 1
	if c.Op == "Split" {
		outputs = 2
	}
	y := b.Add("", c.Op, inputs, outputs, attributes...)[0]
	g.Output = []*pb.ValueInfoProto{{Name: y}}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 24) // that of Swish; since 21 GroupNormalization has a scale for each channel
	graph, err := autodiff.New(m, autodiff.Options{Trainable: names, FrozenBatchNorm: frozen, Kernels: kernels,
		Probe: ortprobe.New(rt)})
	if err != nil {
		return err
	}
	seed := graph.Build.Input(tensorInfo("seed", c.Output))
	gradients, err := graph.Backward(map[string]string{y: seed})
	if err != nil {
		return err
	}
	var results []*pb.ValueInfoProto
	for i, name := range names {
		results = append(results, tensorInfo(graph.Op("Identity", gradients[name]), c.Shapes[i]))
	}
	step, err := graph.Finish(results...)
	if err != nil {
		return err
	}
	return c.run(rt, step)
}

func (c torchCase) run(rt *ort.Runtime, step *pb.ModelProto) error {
	data, err := onnx.Marshal(step)
	if err != nil {
		return err
	}
	session, err := rt.NewSession(data, ort.SessionOptions{Device: ort.CPU, Threads: 1})
	if err != nil {
		return err
	}
	defer session.Close()
	var in []ort.Tensor
	for _, info := range session.Inputs() {
		values := noise(99, info.Shape, -1, 1)
		if info.Name != "seed" {
			k, _ := strconv.Atoi(info.Name[1:])
			values = noise(k, info.Shape, c.Interval[0], c.Interval[1])
		}
		if info.DType == ort.Float32T {
			in = append(in, ort.NewTensor(values, info.Shape...))
		}
	}
	out := make([]ort.Tensor, len(c.Gradients))
	if len(in) != len(session.Inputs()) {
		return fmt.Errorf("the graph has inputs %v", session.Inputs())
	}
	if err := session.Run(context.Background(), in, out); err != nil {
		return err
	}
	for i, want := range c.Gradients {
		for j, v := range project(ort.Data[float32](out[i])) {
			if !(math.Abs(v-want[j]) <= 2e-5*want[0]+1e-9) {
				return fmt.Errorf("gradient of input %d: number %d is %.8g instead of %.8g (norm %.3g)", i, j, v,
					want[j], want[0])
			}
		}
	}
	return nil
}

func (c torchCase) attributes() (list []*pb.AttributeProto, frozen bool, err error) {
	for name, text := range c.Attributes {
		var number float64
		var whole int64
		var numbers []int64
		var word string
		switch {
		case name == "frozen":
			frozen = true
		case json.Unmarshal(text, &numbers) == nil:
			list = append(list, onnx.Ints(name, numbers...))
		case json.Unmarshal(text, &word) == nil:
			list = append(list, onnx.String(name, word))
		case !slices.Contains([]string{"alpha", "beta", "epsilon", "cubic_coeff_a"}, name) &&
			json.Unmarshal(text, &whole) == nil:
			list = append(list, onnx.Int(name, whole))
		case json.Unmarshal(text, &number) == nil:
			list = append(list, onnx.Float(name, float32(number)))
		default:
			return nil, false, fmt.Errorf("attribute %s is %s", name, text)
		}
	}
	return list, frozen, nil
}

func constantTensor(parts []json.RawMessage) (*pb.TensorProto, error) {
	var kind string
	var shape []int64
	var values []float64
	for i, to := range []any{&kind, &shape, &values} {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "float":
		return onnx.NewFloat32("constant", shape, narrow(values)), nil
	case "bool":
		raw := make([]byte, len(values))
		for i, v := range values {
			raw[i] = byte(v)
		}
		return onnx.NewRaw("constant", pb.TensorProto_BOOL, shape, raw), nil
	}
	whole := make([]int64, len(values))
	for i, v := range values {
		whole[i] = int64(v)
	}
	return onnx.NewInt64("constant", shape, whole), nil
}

// mix is the hash of testdata/make_goldens.py.
func mix(i int) uint32 {
	h := uint32(i) * 0x9E3779B1
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	return h ^ h>>15
}

func noise(k int, shape []int64, low, high float64) []float32 {
	v := make([]float32, product(shape))
	for i := range v {
		v[i] = float32(low + (high-low)*float64(mix(i+100003*k)>>16)/65536)
	}
	return v
}

// project returns the norm and four products with vectors of ±1.
func project(v []float32) []float64 {
	numbers := make([]float64, 5)
	for i, x := range v {
		numbers[0] += float64(x) * float64(x)
		for k := range 4 {
			numbers[1+k] += float64(x) * (1 - 2*float64(mix(i+7919*k)&1))
		}
	}
	numbers[0] = math.Sqrt(numbers[0])
	return numbers
}
