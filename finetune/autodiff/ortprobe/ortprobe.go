package ortprobe

import (
	"context"
	"slices"

	"fx/finetune/autodiff"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// New returns a Probe that creates a session on the CPU for each call.
func New(runtime *ort.Runtime) autodiff.Probe {
	return func(m *pb.ModelProto) (map[string]autodiff.Tensor, error) {
		data, err := onnx.Marshal(m)
		if err != nil {
			return nil, err
		}
		session, err := runtime.NewSession(data, ort.SessionOptions{Device: ort.CPU, Threads: 1, Optimization: "basic"})
		if err != nil {
			return nil, err
		}
		defer session.Close()
		values := make([]ort.Tensor, len(session.Outputs()))
		if len(session.Inputs()) == 0 {
			if err := session.Run(context.Background(), nil, values); err != nil {
				return nil, err
			}
		}
		answer := map[string]autodiff.Tensor{}
		for i, out := range session.Outputs() {
			t := autodiff.Tensor{DType: pb.TensorProto_DataType(out.DType), Shape: out.Shape}
			if values[i].DType() == ort.Int64T {
				t.Integers = slices.Clone(ort.Data[int64](values[i]))
			}
			answer[out.Name] = t
		}
		return answer, nil
	}
}
