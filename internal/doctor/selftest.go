package doctor

import (
	"context"
	"fmt"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// selfTestModel is uint8 images [batch,8,8,3] → float32 → NCHW → 3×3 convolution with padding, with all weights 1:
// each value is the sum over 27 neighbours.
func selfTestModel() ([]byte, error) {
	b := onnx.NewBuilder(&pb.GraphProto{Name: "fx"}, "")
	images := b.Input(onnx.TensorInfo("images", pb.TensorProto_UINT8, "batch", 8, 8, 3))
	weight := b.Constant(onnx.NewFloat32("weight", []int64{2, 3, 3, 3}, slices.Repeat([]float32{1}, 2*3*3*3)))
	floats := b.Op("Cast", []string{images}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	planes := b.Op("Transpose", []string{floats}, onnx.Ints("perm", 0, 3, 1, 2))
	b.OpTo("features", "Conv", []string{planes, weight}, onnx.Ints("pads", 1, 1, 1, 1))
	b.Graph.Output = []*pb.ValueInfoProto{onnx.TensorInfo("features", pb.TensorProto_FLOAT, "batch", 2, 8, 8)}
	model := &pb.ModelProto{IrVersion: 8, Graph: b.Graph}
	onnx.SetOpset(model, "", 17)
	return onnx.Marshal(model)
}

// selfTest runs a small network on a device and checks the results.
func selfTest(ctx context.Context, rt *ort.Runtime, device ort.Device) (err error) {
	model, err := selfTestModel()
	if err != nil {
		return err
	}
	s, err := rt.NewSession(model, ort.SessionOptions{Device: device, Threads: 1})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	images := slices.Repeat([]uint8{2}, 8*8*3)
	features := make([]float32, 2*8*8)
	in, out := ort.NewTensor(images, 1, 8, 8, 3), ort.NewTensor(features, 1, 2, 8, 8)
	if err := s.Run(ctx, []ort.Tensor{in}, []ort.Tensor{out}); err != nil {
		return err
	}
	// 27 neighbours inside, 18 at an edge, 12 in a corner; whole numbers are exact in TF32 too.
	if features[0] != 24 || features[1] != 36 || features[9] != 54 {
		return fmt.Errorf("%s computes %v, %v, %v instead of 24, 36, 54",
			device, features[0], features[1], features[9])
	}
	return nil
}
