package backbones

import (
	"math"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// foldBatchNorm folds batch normalizations into the weights and biases of the convolutions
// before them: in inference each channel is multiplied and shifted by constants. Others,
// as in DenseNet's BatchNormalization → ReLU → Conv, stay.
func foldBatchNorm(g *pb.GraphProto) error {
	index := onnx.NewIndex(g)
	folded := map[*pb.NodeProto]bool{}
	build := onnx.NewBuilder(g, "")
	for _, n := range g.Node {
		if n.OpType != "BatchNormalization" || n.Domain != "" || len(n.Input) != 5 {
			continue
		}
		conv := index.Producer(n.Input[0])
		alone := conv != nil && conv.OpType == "Conv" && conv.Domain == "" && index.Output(n.Input[0]) == nil &&
			len(index.Consumers(n.Input[0])) == 1 && len(index.Consumers(conv.Input[1])) == 1
		if !alone {
			continue
		}
		weight, bias, ok := scaledConv(index, conv, n)
		if !ok {
			continue
		}
		conv.Input = []string{conv.Input[0], build.Constant(weight), build.Constant(bias)}
		folded[n] = true
	}
	if err := onnx.Bypass(g, func(n *pb.NodeProto) bool { return folded[n] }); err != nil {
		return err
	}
	onnx.Prune(g)
	return nil
}

// scaledConv returns weight and bias of the convolution followed by the batch
// normalization: y = γ·(x-μ)/√(σ²+ε) + β.
func scaledConv(index *onnx.Index, conv, norm *pb.NodeProto) (weight, bias *pb.TensorProto, ok bool) {
	values := func(name string) []float32 {
		t := index.Initializer(name)
		if t == nil {
			return nil
		}
		v, err := onnx.Float32s(t)
		if err != nil {
			return nil // of another type: not folded
		}
		return v
	}
	w := index.Initializer(conv.Input[1])
	old, scale, shift, mean, variance := values(conv.Input[1]), values(norm.Input[1]), values(norm.Input[2]),
		values(norm.Input[3]), values(norm.Input[4])
	channels := len(scale)
	if old == nil || channels == 0 || w.Dims[0] != int64(channels) || len(shift) != channels ||
		len(mean) != channels || len(variance) != channels {
		return nil, nil, false
	}
	before := make([]float32, channels)
	if len(conv.Input) > 2 && conv.Input[2] != "" {
		if before = values(conv.Input[2]); len(before) != channels {
			return nil, nil, false
		}
	}
	epsilon := 1e-5 // ONNX's default
	if a := onnx.Attribute(norm, "epsilon"); a != nil {
		epsilon = float64(a.F)
	}
	fresh, added, size := make([]float32, len(old)), make([]float32, channels), len(old)/channels
	for c := range channels {
		factor := float64(scale[c]) / math.Sqrt(float64(variance[c])+epsilon)
		for i := c * size; i < (c+1)*size; i++ {
			fresh[i] = float32(float64(old[i]) * factor)
		}
		added[c] = float32(float64(shift[c]) + (float64(before[c])-float64(mean[c]))*factor)
	}
	const suffix = "/folded" // the values differ from those of the network's names
	return onnx.NewFloat32(w.Name+suffix, w.Dims, fresh), onnx.NewFloat32(norm.Input[2]+suffix,
		[]int64{int64(channels)}, added), true
}
