package backbones

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// ownPrefix is the prefix of names that this package adds to a graph.
const ownPrefix = "fx/"

// features cuts the model m of network b (Assemble, FromFile) at its feature
// tensor and inserts the normalisation: input "images", uint8
// [batch, crop, crop, 3]; output "features", float32 [batch, FeatureShape...].
// m is unchanged; tensor data is shared with it. Metadata keeps network and
// preprocessing.
func features(m *pb.ModelProto, b Backbone) (*pb.ModelProto, error) {
	f := onnx.Clone(m)
	g := f.Graph
	hint := "Name another tensor with --feature-tensor."
	input, err := imageInput(g)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the model of %s", b.Name)
	}
	if b.FeatureTensor == input.Name {
		return nil, fail.New(fail.Model, hint, "the feature tensor %q of %s is its input", b.FeatureTensor, b.Name)
	}
	dims := []any{batchDimension(b)}
	for _, d := range b.FeatureShape {
		dims = append(dims, d)
	}
	info := onnx.TensorInfo(b.FeatureTensor, pb.TensorProto_FLOAT, dims...)
	if b.FeatureShape == nil {
		info.Type.GetTensorType().Shape = nil
	}
	if err := onnx.Cut(g, info); err != nil {
		return nil, fail.Wrap(fail.Model, err, hint, "the model of %s", b.Name)
	}
	if len(g.Input) != 1 || g.Input[0].Name != input.Name {
		return nil, fail.New(fail.Model, hint, "the feature tensor %q of %s does not depend on the images",
			b.FeatureTensor, b.Name)
	}
	if err := onnx.Rename(g, map[string]string{b.FeatureTensor: FeaturesName}); err != nil {
		return nil, fail.Wrap(fail.Model, err, hint, "the model of %s", b.Name)
	}
	if err := takeImages(f, b, input); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the model of %s", b.Name)
	}
	if err := CheckMaps(f.Graph, b.Name, b.Preprocess.Crop); err != nil {
		return nil, err
	}
	f.Graph.Name = b.Name + " features"
	onnx.SetMetadata(f, MetaBackbone, b.Name)
	onnx.SetMetadata(f, MetaFeatures, FeaturesName)
	setJSON(f, MetaPreprocess, b.Preprocess)
	setJSON(f, MetaHead, b.Head)
	return f, nil
}

func batchDimension(b Backbone) any {
	if b.Batch > 0 {
		return b.Batch
	}
	return "batch"
}

// imageInput returns the one input of g that no initializer provides.
func imageInput(g *pb.GraphProto) (*pb.ValueInfoProto, error) {
	ix := onnx.NewIndex(g)
	var inputs []*pb.ValueInfoProto
	for _, in := range g.Input {
		if ix.Initializer(in.Name) == nil {
			inputs = append(inputs, in)
		}
	}
	if len(inputs) != 1 {
		return nil, fmt.Errorf("it has %d inputs instead of one batch of images", len(inputs))
	}
	return inputs[0], nil
}

// takeImages makes uint8 images the input of f instead of a normalised float batch. A
// model that takes uint8 images keeps its own normalisation.
func takeImages(f *pb.ModelProto, b Backbone, input *pb.ValueInfoProto) error {
	size := b.Preprocess.Crop
	images := onnx.TensorInfo(ImagesName, pb.TensorProto_UINT8, batchDimension(b), size, size, 3)
	g := f.Graph
	if dtype, _, _ := onnx.Shape(input); dtype == pb.TensorProto_UINT8 {
		err := onnx.Rename(g, map[string]string{input.Name: ImagesName})
		g.Input[0] = images
		return err
	}
	front := &pb.GraphProto{}
	build := onnx.NewBuilder(front, ownPrefix)
	build.Input(images)
	normalised := normalise(build, ImagesName, b.Preprocess)
	if err := onnx.Append(front, g, map[string]string{input.Name: normalised}); err != nil {
		return err
	}
	front.Output, front.Name, front.DocString = g.Output, g.Name, g.DocString
	f.Graph = front
	return nil
}

// normalise adds (images/255 - mean) / std, from uint8 [batch, height, width, 3]
// to float32 [batch, 3, height, width], and returns the value's name. The transpose
// comes first, when a value is one byte.
func normalise(b *onnx.Builder, images string, spec preprocess.Spec) string {
	scale, shift := make([]float32, 3), make([]float32, 3)
	for c := range 3 {
		scale[c] = float32(1 / (255 * float64(spec.Std[c])))
		shift[c] = float32(-float64(spec.Mean[c]) / float64(spec.Std[c]))
	}
	planes := b.Op("Transpose", []string{images}, onnx.Ints("perm", 0, 3, 1, 2))
	values := b.Op("Cast", []string{planes}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	scaled := b.Op("Mul", []string{values, b.Constant(onnx.NewFloat32("scale", []int64{3, 1, 1}, scale))})
	return b.Op("Add", []string{scaled, b.Constant(onnx.NewFloat32("shift", []int64{3, 1, 1}, shift))})
}

// GraphSHA256 returns the hash of m without its weights and metadata: equal hashes mean
// the same network with the same feature tensor and inputs.
func GraphSHA256(m *pb.ModelProto) (string, error) {
	bare := onnx.Clone(m)
	bare.MetadataProps = nil
	for _, t := range bare.Graph.Initializer {
		if !strings.HasPrefix(t.Name, ownPrefix) {
			t.RawData, t.FloatData = nil, nil
		}
	}
	data, err := onnx.Marshal(bare)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
