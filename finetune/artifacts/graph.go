package artifacts

import (
	"fx/finetune/autodiff"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Names of the graphs' inputs and outputs that are no state.
const (
	ImagesName       = "images"         // uint8 [batch, height, width, 3]
	InputName        = "input"          // float32 [batch, 3, height, width], with Options.FloatInput
	LabelsName       = "labels"         // int64 [batch]
	LearningRateName = "lr"             // float32 scalar
	ScaleName        = "gradient_scale" // float32 scalar, what a batch counts in an accumulated gradient

	LossName       = "loss"        // float32 scalar, mean over the batch
	CorrectName    = "correct"     // int64 scalar, right predictions in the batch
	GradNormName   = "grad_norm"   // float32 scalar, before clipping
	LogitsName     = "logits"      // float32 [batch, classes]
	LossWeightName = "loss_weight" // float32 scalar: what the batch counts in a mean over batches
)

// Suffixes of state names.
const (
	NextSuffix     = "#next"       // the output that replaces an input
	GradientSuffix = "#grad"       // gradient of a parameter, accumulated
	MomentumSuffix = "#momentum"   // torch's momentum_buffer
	FirstSuffix    = "#exp_avg"    // AdamW's first moment
	SecondSuffix   = "#exp_avg_sq" // AdamW's second moment
	AverageSuffix  = "#ema"        // moving average
	StepName       = "#step"       // AdamW's count of steps, float32 scalar
)

// Kind says what a piece of state is.
type Kind string

// The kinds of state.
const (
	ParameterState Kind = "parameter" // trained or not
	StatisticState Kind = "statistic" // running mean or variance
	OptimizerState Kind = "optimizer" // momentum, moments, step count: zeros at the start
	AverageState   Kind = "average"   // moving average: starts as what it averages
	GradientState  Kind = "gradient"  // accumulated gradient: zeros before the first batch
	LossScaleState Kind = "loss_scale"
)

// Slot is a piece of state: an input of a graph and, where the graph changes
// it, the output that takes its place in the next run.
type Slot struct {
	Name  string  `json:"name"`
	Next  string  `json:"next,omitempty"` // "" where it stays
	Kind  Kind    `json:"kind"`
	Of    string  `json:"of,omitempty"` // the parameter or statistic it belongs to, itself for those
	Shape []int64 `json:"shape"`        // of float32

	// InPlace allows Next to be written over Name's memory: nothing else in the
	// graph reads it afterwards. Parameters are read until the end of the backward
	// pass: only a kernel that waits for that may write over them.
	InPlace bool `json:"in_place,omitempty"`
}

// Graph is a model together with what its inputs and outputs mean. Its inputs
// are Image, Labels, LearningRate, Scale (each where not empty), Noise and
// State; its outputs Loss, Correct, … and the Next of State. Their order in the
// model is the session's to tell: go by name.
type Graph struct {
	Model *pb.ModelProto `json:"-"`
	Title string         `json:"-"` // what it is for, such as "resnet18 training step"

	Batch        int     `json:"batch"` // 0 where it is free
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

// Slots lists the state of several graphs over the same network, each piece
// once, with its Next where any of them changes it.
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

// MetaGraph is the metadata key under which a file keeps its Graph as JSON.
const MetaGraph = "fx.training"

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
