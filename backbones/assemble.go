package backbones

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// The names of inputs and outputs of this package's models.
const (
	inputName         = "input"         // float32 [batch, 3, height, width], normalised
	ImagesName        = "images"        // uint8 [batch, height, width, 3]
	imageName         = "image"         // uint8 [height, width, 3] of any size
	FeaturesName      = "features"      // float32 [batch, FeatureShape...]
	logitsName        = "logits"        // float32 [batch, classes]
	probabilitiesName = "probabilities" // float32 [batch, classes]
)

// madeRandom is the text under metaWeights of random weights that can't be reproduced;
// scripts/export_onnx writes it too.
const madeRandom = "random"

// The keys of fx's metadata_props in ONNX files.
const (
	MetaBackbone   = "fx.backbone"   // name of the network
	MetaPreprocess = "fx.preprocess" // JSON of preprocess.Spec
	MetaFeatures   = "fx.features"   // name of the feature tensor
	MetaHead       = "fx.head"       // JSON of Head
	metaWeights    = "fx.weights"    // where the weights come from: file name, "seed:0", madeRandom
	metaClasses    = "fx.classes"    // JSON list of class names, in the order of the logits
	// of a classifier: "apply" if the EXIF orientation is applied to photos, else "ignore"
	MetaEXIF       = "fx.exif"
	MetaFastDecode = "fx.fast_decode" // of a classifier: "true" if its photos were decoded at a fraction of their size
	MetaBuffers    = "fx.buffers"     // JSON list of the initializers that are not parameters, as torch's buffers
)

// Assemble inserts the weights sd into the graph of the registered network b and returns
// an inference model: input "input", normalised float32 [batch, 3, height, width]; output
// "logits" [batch, classes]. Batch normalisation uses its running statistics; dropout and
// the auxiliary classifier are removed.
//
// The names of sd must be the network's. Assemble also accepts num_batches_tracked
// (ignored), the prefix "module." of DataParallel on all names, the names of old
// DenseNet files ("norm.1"), a missing auxiliary classifier, and a head with another
// number of classes. Any other missing, extra or mis-shaped tensor is an error of kind
// fail.Model that lists it. Tensor data is shared with sd.
func Assemble(b Backbone, sd *weights.StateDict) (*pb.ModelProto, error) {
	m, err := Skeleton(b)
	if err != nil {
		return nil, err
	}
	parameters, err := parametersOf(m, b)
	if err != nil {
		return nil, err
	}
	sd, given, err := b.adapt(sd)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "weights for %s", b.Name)
	}
	if err := matchNames(b.Name, registeredHint(b), parameters, given, sd); err != nil {
		return nil, err
	}
	g := m.Graph
	logits := g.Output[0].Name
	if err := onnx.Cut(g, g.Output[0]); err != nil {
		return nil, err
	}
	for i, t := range g.Initializer {
		if !withoutData(t) {
			continue
		}
		source, _ := sd.Get(given[t.Name])
		values, err := float32Tensor(t.Name, source)
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, "", "weights for %s", b.Name)
		}
		g.Initializer[i] = values
	}
	if err := ToInference(g); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name, err)
	}
	if err := onnx.Rename(g, map[string]string{logits: logitsName, g.Input[0].Name: inputName}); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name, err)
	}
	head := b.Head
	weight, _ := sd.Get(given[head.Weight])
	head.Classes = weight.Shape[0]
	size := b.Preprocess.Crop
	g.Name = b.Name
	g.ValueInfo = nil // shapes of the training graph
	g.Input = []*pb.ValueInfoProto{onnx.TensorInfo(inputName, pb.TensorProto_FLOAT, "batch", 3, size, size)}
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(logitsName, pb.TensorProto_FLOAT, "batch", head.Classes)}
	m.ProducerName, m.ProducerVersion, m.DocString = "fx", "", ""
	m.MetadataProps = nil
	onnx.SetMetadata(m, MetaBackbone, b.Name)
	onnx.SetMetadata(m, MetaFeatures, b.FeatureTensor)
	setJSON(m, MetaPreprocess, b.Preprocess)
	setJSON(m, MetaHead, head)
	if origin := sd.Metadata[metaWeights]; origin != "" {
		onnx.SetMetadata(m, metaWeights, origin)
	}
	return m, nil
}

// oldDenseNet matches names in DenseNet's published files that its modules no longer
// have: "denselayer1.norm.1.weight" for
// "denselayer1.norm1.weight" (torchvision, models/densenet.py).
var oldDenseNet = regexp.MustCompile(`^(.*denselayer\d+\.(?:norm|relu|conv))\.` +
	`([12]\.(?:weight|bias|running_mean|running_var))$`)

// canonicalNames maps the names of the network to those in sd.
func canonicalNames(sd *weights.StateDict) map[string]string {
	prefixed := sd.Len() > 0
	for _, name := range sd.Names() {
		prefixed = prefixed && strings.HasPrefix(name, "module.")
	}
	names := make(map[string]string, sd.Len())
	for _, name := range sd.Names() {
		canonical := name
		if prefixed {
			canonical = strings.TrimPrefix(name, "module.")
		}
		if strings.HasSuffix(canonical, ".num_batches_tracked") {
			continue
		}
		names[oldDenseNet.ReplaceAllString(canonical, "$1$2")] = name
	}
	return names
}

// registeredHint is the hint to find the weights of a registered network.
func registeredHint(b Backbone) string {
	return "Give the weights of this network: `fx backbones show " + b.Name +
		" --json` lists its parameters, `fx backbones pull " + b.Name + "` fetches the official ones."
}

// matchNames compares the tensors of sd with the parameters of a network. given maps
// the network's names to those in sd.
func matchNames(network, hint string, parameters []Parameter, given map[string]string, sd *weights.StateDict) error {
	known := map[string]bool{}
	var missing, shapes, extra []string
	for _, p := range parameters {
		known[p.Name] = true
		t, ok := sd.Get(given[p.Name])
		switch {
		case given[p.Name] == "" || !ok:
			if !p.Auxiliary {
				missing = append(missing, p.Name)
			}
		case !sameShape(p, t.Shape):
			shapes = append(shapes, fmt.Sprintf("%s is %v instead of %v", p.Name, t.Shape, p.Shape))
		}
	}
	for name, original := range given {
		if !known[name] {
			extra = append(extra, original)
		}
	}
	slices.Sort(extra)
	var faults []string
	for _, f := range []struct {
		what string
		list []string
	}{{"missing", missing}, {"not of this network", extra}, {"of another shape", shapes}} {
		if len(f.list) > 0 {
			faults = append(faults, fmt.Sprintf("%d %s (%s)", len(f.list), f.what, shorten(f.list, 6)))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fail.New(fail.Model, hint, "the weights do not fit %s: %s", network, strings.Join(faults, "; "))
}

func sameShape(p Parameter, shape []int) bool {
	if len(shape) != len(p.Shape) {
		return false
	}
	for i := range shape {
		if shape[i] != p.Shape[i] && !(p.Head && i == 0 && shape[i] > 0) {
			return false
		}
	}
	return true
}

func shorten(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

func float32Tensor(name string, t weights.Tensor) (*pb.TensorProto, error) {
	dims := make([]int64, len(t.Shape))
	for i, d := range t.Shape {
		dims[i] = int64(d)
	}
	if t.DType != weights.F32 {
		values, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return onnx.NewFloat32(name, dims, values), nil
	}
	if want, err := onnx.Elements(dims); err != nil || 4*want != int64(len(t.Data)) {
		return nil, fmt.Errorf("%s has %d bytes of data for shape %v", name, len(t.Data), t.Shape)
	}
	return onnx.NewRaw(name, pb.TensorProto_FLOAT, dims, t.Data), nil
}

// ToInference makes batch normalisation use its running statistics, and removes dropout and stochastic depth.
func ToInference(g *pb.GraphProto) error {
	for _, n := range g.Node {
		if n.OpType != "BatchNormalization" || n.Domain != "" {
			continue
		}
		n.Attribute = slices.DeleteFunc(n.Attribute, func(a *pb.AttributeProto) bool {
			return a.Name == "training_mode"
		})
		n.Output = n.Output[:1]
	}
	ix := onnx.NewIndex(g)
	if err := onnx.Bypass(g, func(n *pb.NodeProto) bool {
		return n.Domain == "" && (n.OpType == "Dropout" || isStochasticDepth(n, ix))
	}); err != nil {
		return err
	}
	onnx.Prune(g)
	return nil
}

// isStochasticDepth reports whether n is the product x · Dropout(ones [batch, 1, …]), as scripts/export_onnx writes
// stochastic depth.
func isStochasticDepth(n *pb.NodeProto, ix *onnx.Index) bool {
	if n.OpType != "Mul" {
		return false
	}
	mask := ix.Producer(n.Input[1])
	if mask == nil || mask.OpType != "Dropout" {
		return false
	}
	ones := ix.Producer(mask.Input[0])
	return ones != nil && ones.OpType == "ConstantOfShape"
}

func setJSON(m *pb.ModelProto, key string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // our own plain structs
	}
	onnx.SetMetadata(m, key, string(data))
}
