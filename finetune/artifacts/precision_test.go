package artifacts_test

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/relative"
)

// gradientsOf runs the gradients of one batch and returns them without the loss
// scale, and the loss.
func gradientsOf(t *testing.T, n *artifacts.Network, g *artifacts.Graph,
	feeds map[string]ort.Tensor) (map[string][]float32, float64) {
	t.Helper()
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	scale := float32(1)
	if s, ok := r.state[artifacts.LossScaleName]; ok {
		scale = ort.Data[float32](s)[0]
	}
	out, err := r.run(feeds)
	if err != nil {
		t.Fatal(err)
	}
	gradients := map[string][]float32{}
	for name, v := range r.state {
		if parameter, ok := strings.CutSuffix(name, artifacts.GradientSuffix); ok {
			values := slices.Clone(ort.Data[float32](v))
			for i := range values {
				values[i] /= scale
			}
			gradients[parameter] = values
		}
	}
	return gradients, float64(ort.Data[float32](out[g.Loss])[0])
}

// The gradients of mixed precision are float32's but for rounding: of 11 bits in
// float16, of 8 in bfloat16. The CPU has no bfloat16, and leaves out the casts of
// float16 around what it computes in float32; so the graphs are computed in
// float32 that every Cast rounds.
func TestMixedPrecisionRoundsAndNothingElse(t *testing.T) {
	for precision, bits := range map[string]float64{artifacts.Float16: 11, artifacts.BFloat16: 8} {
		t.Run(precision, func(t *testing.T) {
			n := small(t)
			o := smallOptions(t)
			exact, err := n.Gradients(o)
			if err != nil {
				t.Fatal(err)
			}
			o.Precision = precision
			mixed, err := n.Gradients(o)
			if err != nil {
				t.Fatal(err)
			}
			mixed.Model = roundedModel(mixed.Model)
			feeds := smallFeeds(0, 0)
			feeds["gradient_scale"] = ort.NewTensor([]float32{1})
			want, loss := gradientsOf(t, n, exact, feeds)
			got, mixedLoss := gradientsOf(t, n, mixed, feeds)
			rounding := math.Ldexp(1, -int(bits))
			near(t, "loss", mixedLoss, loss, 4*rounding*loss)
			if mixedLoss == loss {
				t.Error("the loss is not rounded")
			}
			for name := range want {
				if name == "conv.bias" { // zero in exact arithmetic: batch normalization follows
					continue
				}
				allowed := 8 * rounding // a few on the way
				if name == "conv.weight" {
					allowed = 64 * rounding // max pooling chooses among rounded values, and may choose another
				}
				d := relative.L2(got[name], want[name])
				if d > allowed || d == 0 {
					t.Errorf("the gradient of %s is off by %.2g, and one rounding is %.2g", name, d, rounding)
				}
			}
		})
	}
}

// roundedModel stands in for a graph of mixed precision: all of its values are
// float32, and a Cast to the low type is one there and back.
func roundedModel(m *pb.ModelProto) *pb.ModelProto {
	m = onnx.Clone(m)
	isLow := func(dtype int64) bool {
		return dtype == int64(pb.TensorProto_BFLOAT16) || dtype == int64(pb.TensorProto_FLOAT16)
	}
	widen := func(tensor *pb.TensorProto) {
		if !isLow(int64(tensor.DataType)) {
			return
		}
		var raw []byte
		for i := 0; i < len(tensor.RawData); i += 2 {
			bits := binary.LittleEndian.Uint16(tensor.RawData[i:])
			value := math.Float32frombits(uint32(bits) << 16)
			if tensor.DataType == pb.TensorProto_FLOAT16 {
				value = half(bits)
			}
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(value))
		}
		tensor.DataType, tensor.RawData = pb.TensorProto_FLOAT, raw
	}
	for _, initializer := range m.Graph.Initializer {
		widen(initializer)
	}
	nodes := m.Graph.Node
	m.Graph.Node = nil
	for _, n := range nodes {
		for _, a := range n.Attribute {
			if a.T != nil {
				widen(a.T)
			}
		}
		m.Graph.Node = append(m.Graph.Node, n)
		if n.OpType == "Cast" && isLow(onnx.IntAttribute(n, "to", 0)) {
			out := n.Output[0]
			n.Output[0] = out + "/rounded"
			m.Graph.Node = append(m.Graph.Node, &pb.NodeProto{OpType: "Cast", Input: n.Output[:1:1],
				Output: []string{out}, Attribute: []*pb.AttributeProto{onnx.Int("to", int64(pb.TensorProto_FLOAT))}})
		}
	}
	return m
}

// half is the value of a normal or zero IEEE 754 binary16.
func half(bits uint16) float32 {
	if bits&0x7fff == 0 {
		return 0
	}
	value := math.Ldexp(float64(bits&0x3ff|0x400), int(bits>>10&0x1f)-25)
	if bits>>15 == 1 {
		value = -value
	}
	return float32(value)
}

// A bfloat16 graph is well typed, whatever runs it: ONNX Runtime, which checks
// types first, refuses it on the CPU for want of kernels alone.
func TestBFloat16GraphsAreWellTyped(t *testing.T) {
	names := []string{"resnet18"}
	if *full {
		names = families
	}
	for _, name := range names {
		o := tutorial(t)
		o.Precision = artifacts.BFloat16
		g, err := seeded(t, name).Step(o)
		if err != nil {
			t.Fatal(err)
		}
		data, err := onnx.Marshal(g.Model)
		if err != nil {
			t.Fatal(err)
		}
		_, err = orttest.Runtime(t).NewSession(data, ort.SessionOptions{Device: ort.CPU})
		if err == nil || !strings.Contains(err.Error(), "mplementation") && !strings.Contains(err.Error(), "ernel") {
			t.Errorf("%s: %v", name, err)
		}
		products, low := 0, 0
		for _, n := range g.Model.Graph.Node {
			if n.OpType == "Conv" || n.OpType == "Gemm" || n.OpType == "MatMul" {
				products++
			}
			if n.OpType == "Cast" && onnx.IntAttribute(n, "to", 0) == int64(pb.TensorProto_BFLOAT16) {
				low++
			}
		}
		t.Logf("%s: %d products, %d casts to bfloat16", name, products, low)
	}
}

// The loss scale follows torch.amp.GradScaler: a step whose gradients overflow
// changes neither parameters nor optimizer and halves the scale, 2000 good ones
// double it.
func TestLossScale(t *testing.T) {
	for _, optimizer := range []artifacts.Optimizer{{Name: artifacts.SGD, Momentum: 0.9, Nesterov: true},
		{Name: artifacts.AdamW, WeightDecay: 0.01}} {
		t.Run(optimizer.Name, func(t *testing.T) {
			n := small(t)
			o := smallOptions(t)
			o.Optimizer, o.Precision = optimizer, artifacts.Float16
			g, err := n.Step(o)
			if err != nil {
				t.Fatal(err)
			}
			initial, err := n.Initial(g)
			if err != nil {
				t.Fatal(err)
			}
			r := newRunner(t, g, initial)
			step := func(scale, good float32) (changed []string) {
				t.Helper()
				before := map[string][]float32{}
				for name, v := range r.state {
					before[name] = slices.Clone(ort.Data[float32](v))
				}
				r.state[artifacts.LossScaleName] = ort.NewTensor([]float32{scale})
				r.state[artifacts.GoodStepsName] = ort.NewTensor([]float32{good})
				if _, err := r.run(smallFeeds(0, 0.01)); err != nil {
					t.Fatal(err)
				}
				for _, s := range g.State {
					if s.Next != "" && s.Kind != artifacts.LossScaleState && s.Name != artifacts.GoodStepsName &&
						!slices.Equal(before[s.Name], ort.Data[float32](r.state[s.Name])) {
						changed = append(changed, string(s.Kind))
					}
				}
				slices.Sort(changed)
				return slices.Compact(changed)
			}
			scale := func() [2]float32 {
				return [2]float32{ort.Data[float32](r.state[artifacts.LossScaleName])[0],
					ort.Data[float32](r.state[artifacts.GoodStepsName])[0]}
			}
			s, _ := initial.Get(artifacts.LossScaleName)
			if binary.LittleEndian.Uint32(s.Data) != math.Float32bits(65536) {
				t.Error("the first scale is not GradScaler's")
			}
			if changed := step(1024, 5); !slices.Equal(changed,
				[]string{"average", "optimizer", "parameter", "statistic"}) || scale() != [2]float32{1024, 6} {
				t.Errorf("a good step changed %v, and the scale to %v", changed, scale())
			}
			if changed := step(1e30, 1999); slices.Contains(changed, "parameter") ||
				slices.Contains(changed, "optimizer") || scale() != [2]float32{float32(1e30) / 2, 0} {
				t.Errorf("a step that overflows changed %v, and the scale to %v", changed, scale())
			}
			if step(1024, 1998); scale() != [2]float32{1024, 1999} {
				t.Errorf("scale %v after 1999 good steps", scale())
			}
			if step(1024, 1999); scale() != [2]float32{2048, 0} {
				t.Errorf("scale %v after 2000 good steps", scale())
			}
		})
	}
}

// Gradients that are added up take the loss scale out once, at the update.
func TestAccumulatedGradientsAreScaledOnce(t *testing.T) {
	n := small(t)
	o := smallOptions(t)
	o.Precision, o.EMA = artifacts.Float16, 0
	whole, err := n.Step(o)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := n.Gradients(o)
	if err != nil {
		t.Fatal(err)
	}
	update, err := n.Update(o)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(whole)
	if err != nil {
		t.Fatal(err)
	}
	one := newRunner(t, whole, initial)
	feeds := smallFeeds(0, 0.01)
	feeds["gradient_scale"] = ort.NewTensor([]float32{1})
	if _, err := one.run(feeds); err != nil {
		t.Fatal(err)
	}
	begin, err := n.Initial(parts)
	if err != nil {
		t.Fatal(err)
	}
	first := newRunner(t, parts, begin)
	if _, err := first.run(feeds); err != nil {
		t.Fatal(err)
	}
	begin, err = n.Initial(update)
	if err != nil {
		t.Fatal(err)
	}
	second := newRunner(t, update, begin)
	for name := range second.state {
		if v, ok := first.state[name]; ok {
			second.state[name] = v
		}
	}
	if _, err := second.run(feeds); err != nil {
		t.Fatal(err)
	}
	for _, p := range n.Parameters {
		if v, ok := second.state[p.Name]; ok && !p.Statistic {
			if d := relative.L2(ort.Data[float32](v), ort.Data[float32](one.state[p.Name])); d > 1e-6 {
				t.Errorf("%s after the split form is off by %.2g", p.Name, d)
			}
		}
	}
	if got := ort.Data[float32](second.state[artifacts.GoodStepsName])[0]; got != 1 {
		t.Errorf("%v good steps", got)
	}
}
