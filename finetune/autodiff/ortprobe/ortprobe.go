package ortprobe

import (
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
		answer := map[string]autodiff.Tensor{}
		for _, out := range session.Outputs() {
			answer[out.Name] = autodiff.Tensor{DType: pb.TensorProto_DataType(out.DType), Shape: out.Shape}
		}
		return answer, nil
	}
}
