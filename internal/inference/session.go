package inference

import (
	"os"
	"path/filepath"
	"slices"

	"fx/internal/fail"
	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// Setting is the key in ort.Session.ProviderOptions for the implementation of convolutions on the CPU: "ConvTiles" and
// an instruction set, or "ONNX Runtime" and the reason.
const Setting = "convolutions"

// Variable is the name of the environment variable that, set to "off", leaves convolutions to ONNX Runtime.
const Variable = "FX_CONV_TILES"

// NewSession opens the model m, whose tensor data may be shared: it is not changed. Errors are those of package ort.
func NewSession(rt *ort.Runtime, m *pb.ModelProto, options ort.SessionOptions) (*ort.Session, error) {
	why := unsuited(rt, m, options)
	if why == "" {
		s, err := open(rt, m, options)
		if err == nil {
			return s, nil
		}
		why = err.Error()
	}
	model, err := onnx.Marshal(m)
	if err != nil {
		return nil, err
	}
	s, err := rt.NewSession(model, options)
	if err == nil && s.Device() == ort.CPU {
		s.Note(Setting, "ONNX Runtime: "+why)
	}
	return s, err
}

// unsuited returns why the kernels can't be used for m here, or "".
func unsuited(rt *ort.Runtime, m *pb.ModelProto, options ort.SessionOptions) string {
	if os.Getenv(Variable) == "off" {
		return Variable + "=off"
	}
	if device, _, _, err := rt.Resolve(options.Device); err != nil || device != ort.CPU {
		return "not on the CPU"
	}
	if !hasCandidates(m) {
		return noneSuits.Error()
	}
	if err := trial(rt); err != nil {
		return err.Error()
	}
	return ""
}

// noneSuits is the error of open if the kernels support none of the convolutions.
var noneSuits = fail.New(fail.Model, "", "no convolution by 3×3 or 5×5 with stride 1")

// hasCandidates reports whether m has a convolution that the kernels may support. ONNX Runtime need not write an
// optimized graph of the others, such as transformers, which takes it as long as opening them.
func hasCandidates(m *pb.ModelProto) bool {
	index := onnx.NewIndex(m.Graph)
	return slices.ContainsFunc(m.Graph.Node, func(n *pb.NodeProto) bool {
		if n.Domain != "" || n.OpType != "Conv" || len(n.Input) < 2 {
			return false
		}
		weight := index.Initializer(n.Input[1])
		if weight == nil {
			return true // it may become constant
		}
		if len(weight.Dims) != 4 || weight.Dims[1] < kernels.LeastGroup {
			return false // depthwise, or the first layer
		}
		c, ok := readConvolution(n, weight)
		return ok && (c.size == 3 || c.size == 5)
	})
}

// open opens m with ConvTiles.
func open(rt *ort.Runtime, m *pb.ModelProto, options ort.SessionOptions) (*ort.Session, error) {
	optimized, err := optimize(rt, m, options)
	if err != nil {
		return nil, err
	}
	if replaceConvolutions(optimized) == 0 {
		return nil, noneSuits
	}
	model, err := onnx.Marshal(optimized)
	if err != nil {
		return nil, err
	}
	options.Optimization = "none" // m is already optimized; options.Device resolves to the CPU again
	s, err := rt.NewSession(model, options)
	if err == nil {
		s.Note(Setting, "ConvTiles "+kernels.InstructionSet())
	}
	return s, err
}

// optimize returns m as ONNX Runtime optimizes it for the CPU.
func optimize(rt *ort.Runtime, m *pb.ModelProto, options ort.SessionOptions) (*pb.ModelProto, error) {
	folder, err := os.MkdirTemp("", "fx-optimized-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	light, aside := setAside(m)
	model, err := onnx.Marshal(light)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "model.onnx")
	s, err := rt.NewSession(model,
		ort.SessionOptions{Device: ort.CPU, Threads: 1, Optimization: options.Optimization, OptimizedFile: file})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	optimized, err := onnx.Load(file)
	if err != nil {
		return nil, err
	}
	putBack(optimized, aside)
	return optimized, nil
}

// few is the size in bytes up to which setAside keeps a constant.
const few = 1 << 16

// setAside returns m with inputs in place of large constants that no convolution reads: ONNX Runtime does not change a
// fully connected layer's weights, but would write them to the optimized file, to be read again.
func setAside(m *pb.ModelProto) (light *pb.ModelProto, aside map[string]*pb.TensorProto) {
	light, aside = onnx.Clone(m), map[string]*pb.TensorProto{}
	g := light.Graph
	index := onnx.NewIndex(g)
	kept := g.Initializer[:0:0]
	for _, t := range g.Initializer {
		if len(t.RawData) <= few || index.Input(t.Name) != nil || !onlyMultiplies(index, t.Name) {
			kept = append(kept, t)
			continue
		}
		aside[t.Name] = t
		dims := make([]any, len(t.Dims))
		for i, d := range t.Dims {
			dims[i] = d
		}
		g.Input = append(g.Input, onnx.TensorInfo(t.Name, pb.TensorProto_DataType(t.DataType), dims...))
	}
	g.Initializer = kept
	return light, aside
}

// onlyMultiplies reports whether a constant is used only as the weight of fully connected layers.
func onlyMultiplies(index *onnx.Index, name string) bool {
	for _, n := range index.Consumers(name) {
		if n.Domain != "" || (n.OpType != "Gemm" && n.OpType != "MatMul") || len(n.Input) < 2 || n.Input[1] != name {
			return false
		}
	}
	return true
}

// putBack turns the inputs that setAside added into constants again.
func putBack(m *pb.ModelProto, aside map[string]*pb.TensorProto) {
	g := m.Graph
	inputs := g.Input[:0:0]
	for _, in := range g.Input {
		if t := aside[in.Name]; t != nil {
			g.Initializer = append(g.Initializer, t)
		} else {
			inputs = append(inputs, in)
		}
	}
	g.Input = inputs
}
