package inference

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/random"
	"fx/internal/relative"
)

// trial returns an error if ConvTiles does not give ONNX Runtime's results on this machine. It runs once per runtime.
var trial = func() func(rt *ort.Runtime) error {
	var results sync.Map // *ort.Runtime → func() error
	return func(rt *ort.Runtime) error {
		once, _ := results.LoadOrStore(rt, sync.OnceValue(func() error { return compare(rt, trialModel()) }))
		return once.(func() error)()
	}
}()

// The small network of the trial: two convolutions, whose channels are whole blocks of
// any size up to 32, with a bias, a Relu and a sum.
const (
	trialChannels, trialOutputs = 32, 96
	trialHeight, trialWidth     = 11, 9
)

func trialModel() *pb.ModelProto {
	g := &pb.GraphProto{Name: "trial"}
	b := onnx.NewBuilder(g, "")
	numbers := random.New(0, "trial of tiles")
	constant := func(name string, dims ...int64) string {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(numbers.Uniform(-1, 1))
		}
		return b.Constant(onnx.NewFloat32(name, dims, values))
	}
	convolution := func(x, name string, in, out, size int64) string {
		pad := size / 2
		return b.Op("Conv", []string{x, constant(name+".weight", out, in, size, size), constant(name+".bias", out)},
			onnx.Ints("kernel_shape", size, size), onnx.Ints("pads", pad, pad, pad, pad))
	}
	x := b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, 2, trialChannels, trialHeight, trialWidth))
	first := b.Op("Relu", []string{convolution(x, "first", trialChannels, trialOutputs, 3)})
	sum := b.Op("Add", []string{convolution(first, "second", trialOutputs, trialOutputs, 3), first})
	b.OpTo("y", "Relu", []string{convolution(sum, "third", trialOutputs, trialChannels, 5)})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, 2, trialChannels, trialHeight,
		trialWidth)}
	return &pb.ModelProto{IrVersion: 8, OpsetImport: []*pb.OperatorSetIdProto{{Version: 17}}, Graph: g}
}

// compare opens m with and without ConvTiles and compares the outputs for noise.
func compare(rt *ort.Runtime, m *pb.ModelProto) error {
	options := ort.SessionOptions{Device: ort.CPU, Threads: 1}
	tiles, err := open(rt, m, options)
	if err != nil {
		return err
	}
	got, err := runTrial(tiles)
	if err != nil {
		return err
	}
	model, err := onnx.Marshal(m)
	if err != nil {
		return err
	}
	plain, err := rt.NewSession(model, options)
	if err != nil {
		return err
	}
	want, err := runTrial(plain)
	if err != nil {
		return err
	}
	if off := relative.L2(got, want); !(off < 1e-5) {
		return fmt.Errorf("ONNX Runtime's blocks have another layout (off by %.1e)", off)
	}
	return nil
}

// runTrial runs s on noise and closes it.
func runTrial(s *ort.Session) (y []float32, err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	x := make([]float32, 2*trialChannels*trialHeight*trialWidth)
	numbers := random.New(1, "trial of tiles")
	for i := range x {
		x[i] = float32(numbers.Uniform(-1, 1))
	}
	outputs := make([]ort.Tensor, 1)
	err = s.Run(context.Background(), []ort.Tensor{ort.NewTensor(x, 2, trialChannels, trialHeight, trialWidth)},
		outputs)
	if err != nil {
		return nil, err
	}
	return ort.Data[float32](outputs[0]), nil
}
