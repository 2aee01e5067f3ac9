package backbones

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"fx/internal/random"
	"fx/internal/weights"
)

// SeedWeights returns reproducible random weights for the registered network b by the
// default rule of PyTorch's layers: convolution and linear weights and biases are uniform
// in ±1/√fan_in (kaiming_uniform_ with a = √5 has the same bound; torch.nn.Linear and
// torch.nn.Conv2d, reset_parameters), batch normalisation starts at scale 1, shift 0,
// mean 0, variance 1; other normalisations at scale 1, shift 0, factors of channels at 1, embeddings at ±0.035.
// Networks that torchvision initializes differently (resnet18, …)
// follow this rule too; InitialWeights follows torchvision's.
//
// A value depends only on the seed and the parameter's name. The names, and the counters
// num_batches_tracked, are those that torchvision's load_state_dict(strict=True) expects.
func SeedWeights(b Backbone, seed uint64) (*weights.StateDict, error) {
	return drawWeights(b, weights.Seed(seed).String(), func(p Parameter) weights.Tensor { return draw(p, seed) })
}

// drawWeights draws every parameter of b, several at once, and records their origin in
// the metadata.
func drawWeights(b Backbone, made string, draw func(Parameter) weights.Tensor) (*weights.StateDict, error) {
	parameters, err := Parameters(b)
	if err != nil {
		return nil, err
	}
	parameters = slices.DeleteFunc(parameters, func(p Parameter) bool { return p.New })
	tensors := make([]weights.Tensor, len(parameters))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, p := range parameters {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			tensors[i] = draw(p)
			<-slots
		}()
	}
	wait.Wait()
	sd := weights.NewStateDict()
	sd.Metadata = map[string]string{MetaBackbone: b.Name, metaWeights: made}
	for i, p := range parameters {
		sd.Set(p.Name, tensors[i])
		if layer, ok := strings.CutSuffix(p.Name, ".running_var"); ok {
			sd.Set(layer+".num_batches_tracked", weights.Tensor{DType: weights.I64, Shape: []int{},
				Data: make([]byte, 8)})
		}
	}
	return sd, nil
}

// embeddingBound gives embeddings the standard deviation of 0.02 with which torchvision and timm draw them.
const embeddingBound = 0.02 * 1.7320508

func draw(p Parameter, seed uint64) weights.Tensor {
	data := make([]byte, 4*p.Len())
	switch p.Kind {
	case Weight, Bias:
		stream := random.New(seed, "weights/"+p.Name)
		bound := 1 / math.Sqrt(float64(p.FanIn))
		for i := 0; i < len(data); i += 4 {
			// 24 random bits, the middle of their interval: never a bound itself, and unbiased.
			u := (float64(stream.Uint32()>>8)+0.5)/(1<<23) - 1
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(u*bound)))
		}
	case Embedding:
		stream := random.New(seed, "weights/"+p.Name)
		for i := 0; i < len(data); i += 4 {
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(stream.Uniform(-1, 1)*embeddingBound)))
		}
	case Scale, RunningVariance:
		for i := 0; i < len(data); i += 4 {
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(1))
		}
	}
	return weights.Tensor{DType: weights.F32, Shape: p.Shape, Data: data}
}
