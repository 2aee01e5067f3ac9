package artifacts

import (
	"fx/finetune/autodiff"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Names of the graphs' inputs and outputs that are not state.
const (
	ImagesName       = "images"         // uint8 [batch, height, width, 3]
	inputName        = "input"          // float32 [batch, 3, height, width], with Options.FloatInput
	labelsName       = "labels"         // int64 [batch]
	learningRateName = "lr"             // float32 scalar
	scaleName        = "gradient_scale" // float32 scalar, weight of a batch in an accumulated gradient

	lossName       = "loss"        // float32 scalar, mean over the batch
	correctName    = "correct"     // int64 scalar, correct predictions in the batch
	gradNormName   = "grad_norm"   // float32 scalar, before clipping
	logitsName     = "logits"      // float32 [batch, classes]
	lossWeightName = "loss_weight" // float32 scalar: weight of the batch in a mean over batches
)

// Suffixes of state names.
const (
	nextSuffix     = "#next"       // the output that replaces an input
	GradientSuffix = "#grad"       // gradient of a parameter, accumulated
	MomentumSuffix = "#momentum"   // torch's momentum_buffer
	firstSuffix    = "#exp_avg"    // AdamW's first moment
	secondSuffix   = "#exp_avg_sq" // AdamW's second moment
	AverageSuffix  = "#ema"        // moving average
	stepName       = "#step"       // AdamW's count of steps, float32 scalar
)

// Kind is the kind of a state tensor.
type Kind string

// The kinds of state.
const (
	ParameterState Kind = "parameter" // trained or not
	StatisticState Kind = "statistic" // running mean or variance
	OptimizerState Kind = "optimizer" // momentum, moments, step count: zeros at the start
	AverageState   Kind = "average"   // moving average: starts as a copy of the averaged tensor
	GradientState  Kind = "gradient"  // accumulated gradient: zeros before the first batch
	LossScaleState Kind = "loss_scale"
)

// Slot is a state tensor: an input of a graph and, if the graph changes it, the
// output that replaces it in the next run.
type Slot struct {
	Name  string  `json:"name"`
	Next  string  `json:"next,omitempty"` // "" if the graph does not change it
	Kind  Kind    `json:"kind"`
	Of    string  `json:"of,omitempty"` // the parameter or statistic that it belongs to; its own name for those
	Shape []int64 `json:"shape"`        // of float32

	// InPlace allows Next to overwrite Name's memory, because nothing in the graph
	// reads it afterwards. The backward pass reads parameters until its end: only a
	// kernel that waits for it may overwrite them.
	InPlace bool `json:"in_place,omitempty"`
}

// Graph is a model with the meaning of its inputs and outputs. Its inputs are Image,
// Labels, LearningRate, Scale (each if not empty), Noise and State; its outputs are
// Loss, Correct, … and the Next of State. Callers must go by name, not by order.
type Graph struct {
	Model *pb.ModelProto `json:"-"`
	Title string         `json:"-"` // such as "resnet18 training step"

	Batch        int     `json:"batch"` // 0 if it is free
	Image        string  `json:"image,omitempty"`
	ImageShape   []int64 `json:"image_shape,omitempty"` // with the batch; uint8 for ImagesName, float32 for InputName
	Labels       string  `json:"labels,omitempty"`
	LearningRate string  `json:"learning_rate,omitempty"`
	Scale        string  `json:"scale,omitempty"`

	Noise []autodiff.Noise `json:"noise,omitempty"`
	State []Slot           `json:"state"`

	Loss       string `json:"loss,omitempty"`
	LossWeight string `json:"loss_weight,omitempty"`
	Correct    string `json:"correct,omitempty"`
	GradNorm   string `json:"grad_norm,omitempty"`
	Logits     string `json:"logits,omitempty"`
}

// Slots returns the state of several graphs of the same network, each slot once, with
// its Next if any of the graphs changes it.
func Slots(graphs ...*Graph) []Slot {
	var all []Slot
	place := map[string]int{}
	for _, g := range graphs {
		for _, s := range g.State {
			i, known := place[s.Name]
			if !known {
				place[s.Name], all = len(all), append(all, s)
			} else if all[i].Next == "" {
				all[i].Next, all[i].InPlace = s.Next, s.InPlace
			}
		}
	}
	return all
}

// metaGraph is the metadata key of a file's Graph, as JSON.
const metaGraph = "fx.training"

func scalar(name string, dtype pb.TensorProto_DataType) *pb.ValueInfoProto {
	return onnx.TensorInfo(name, dtype)
}

func floats(name string, shape []int64) *pb.ValueInfoProto {
	d := make([]any, len(shape))
	for i, v := range shape {
		d[i] = v
	}
	return onnx.TensorInfo(name, pb.TensorProto_FLOAT, d...)
}
