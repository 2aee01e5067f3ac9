package backbones

import (
	"encoding/binary"
	"math"
	"strings"
	"sync"

	"fx/internal/fail"
	"fx/internal/random"
	"fx/internal/weights"
)

// InitialWeights returns random initial weights for training the registered network b,
// drawn like those of its constructor in torchvision, which is better for training from
// scratch than the layers' default rule of SeedWeights. Names, shapes and dependence on
// the seed are as in SeedWeights.
//
// A network whose constructor's rule fx does not know is an error of kind fail.Usage.
func InitialWeights(b Backbone, seed uint64) (*weights.StateDict, error) {
	if initialRules[b.row.Initial] == nil {
		var known []string
		for _, r := range registry().Networks {
			if r.Initial != "" {
				known = append(known, r.Name)
			}
		}
		return nil, fail.New(fail.Usage, "It is known for "+strings.Join(known, ", ")+".",
			"--scratch draws weights as a network's constructor does, but the rule of %s is unknown", b.Name)
	}
	return drawWeights(b, madeRandom, func(p Parameter) weights.Tensor {
		d := initial(b, p)
		if d.shape == layerDefault {
			return draw(p, seed)
		}
		data := make([]byte, 4*p.Len())
		var wait sync.WaitGroup
		for from := 0; from < p.Len(); from += initialChunk {
			wait.Go(func() {
				part := data[4*from : 4*min(from+initialChunk, p.Len())]
				d.fill(part, random.New(seed, "initial/"+p.Name, uint64(from/initialChunk)))
			})
		}
		wait.Wait()
		return weights.Tensor{DType: weights.F32, Shape: p.Shape, Data: data}
	})
}

// initialChunk is the number of values with a random stream of their own, so that several
// processors share a large parameter. The values depend on this number.
const initialChunk = 1 << 16

// distribution is the distribution of a parameter's values.
type distribution struct {
	shape distributionShape
	scale float64 // standard deviation of a normal one, bound of a uniform one
}

type distributionShape int

const (
	layerDefault distributionShape = iota // SeedWeights'
	zero
	normal
	uniform
)

// initialRule is how a constructor initializes its layers; layers without a rule keep
// their default, and batch normalisation always does.
type initialRule struct {
	convolution, linear func(p Parameter) distribution
	zeroBias            bool
	named               map[string]func(p Parameter) distribution // these come before the others
}

// initialRules are the rules by their names in the registry; those of other networks are not known. "default" is
// the layers' own.
var initialRules = map[string]*initialRule{
	"default": {}, "resnet": resnetRule, "vgg": vggRule, "densenet": densenetRule, "squeezenet": squeezenetRule,
	"inception": inceptionRule,
}

// The rules of the constructors in torchvision 0.29, files resnet.py, vgg.py,
// squeezenet.py, densenet.py and inception.py. Inception's standard deviation of
// 0.01 for AuxLogits.conv1 is set beside the convolution that is drawn, and is
// without effect there; its truncation lies at 20 standard deviations, which no
// number here reaches.
var (
	resnetRule     = &initialRule{convolution: kaimingFanOut}
	vggRule        = &initialRule{convolution: kaimingFanOut, linear: normalOf(0.01), zeroBias: true}
	densenetRule   = &initialRule{convolution: kaimingFanIn, zeroBias: true}
	squeezenetRule = &initialRule{
		convolution: kaimingUniform, zeroBias: true,
		named: map[string]func(Parameter) distribution{"classifier.1.weight": normalOf(0.01)},
	}
	inceptionRule = &initialRule{
		convolution: normalOf(0.1), linear: normalOf(0.1),
		named: map[string]func(Parameter) distribution{"AuxLogits.fc.weight": normalOf(0.001)},
	}
)

func normalOf(deviation float64) func(Parameter) distribution {
	return func(Parameter) distribution { return distribution{normal, deviation} }
}

// kaimingFanOut is torch.nn.init.kaiming_normal_ with mode fan_out: output
// channels × kernel, groups or not.
func kaimingFanOut(p Parameter) distribution {
	return distribution{normal, math.Sqrt(2 / float64(p.Shape[0]*p.Shape[2]*p.Shape[3]))}
}

// kaimingFanIn is torch.nn.init.kaiming_normal_.
func kaimingFanIn(p Parameter) distribution {
	return distribution{normal, math.Sqrt(2 / float64(p.FanIn))}
}

// kaimingUniform is torch.nn.init.kaiming_uniform_.
func kaimingUniform(p Parameter) distribution {
	return distribution{uniform, math.Sqrt(6 / float64(p.FanIn))}
}

// initial returns the distribution of the parameter p of b.
func initial(b Backbone, p Parameter) distribution {
	rule := initialRules[b.row.Initial]
	draw := rule.named[p.Name]
	switch {
	case draw != nil:
	case p.Kind == Weight && len(p.Shape) == 4:
		draw = rule.convolution
	case p.Kind == Weight:
		draw = rule.linear
	case p.Kind == Bias && rule.zeroBias:
		return distribution{shape: zero}
	}
	if draw == nil {
		return distribution{}
	}
	return draw(p)
}

// fill draws float32 values, little endian.
func (d distribution) fill(data []byte, s *random.Stream) {
	put := func(i int, v float64) {
		binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(v*d.scale)))
	}
	switch d.shape {
	case zero:
		clear(data)
	case uniform:
		for i := 0; i < len(data); i += 4 {
			put(i, s.Uniform(-1, 1))
		}
	case normal:
		for i := 0; i < len(data); i += 8 { // Box–Muller yields two at once
			radius := math.Sqrt(-2 * math.Log(1-s.Float64()))
			sin, cos := math.Sincos(2 * math.Pi * s.Float64())
			put(i, radius*cos)
			if i+4 < len(data) {
				put(i+4, radius*sin)
			}
		}
	}
}
