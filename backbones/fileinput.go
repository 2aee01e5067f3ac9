package backbones

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// standardLayout inserts a Transpose behind an input of images in the other layout:
// float32 [batch, height, width, 3], as Keras has it, or uint8 [batch, 3, height, width].
func standardLayout(m *pb.ModelProto) error {
	input, err := imageInput(m.Graph)
	if err != nil {
		return nil // readInput tells
	}
	dtype, dims, ok := onnx.Shape(input)
	if !ok || len(dims) != 4 {
		return nil
	}
	var perm []int64 // from the standard layout to the file's
	switch last := dims[3] == 3 && dims[1] != 3; {
	case dtype == pb.TensorProto_FLOAT && last:
		perm = []int64{0, 2, 3, 1}
	case dtype == pb.TensorProto_UINT8 && !last && dims[1] == 3 && dims[3] != 3:
		perm = []int64{0, 3, 1, 2}
	default:
		return nil
	}
	name, turned := input.Name, onnx.NewBuilder(m.Graph, ownPrefix).Fresh("layout")
	if err := onnx.Rename(m.Graph, map[string]string{name: turned}); err != nil {
		return err
	}
	m.Graph.Node = slices.Insert(m.Graph.Node, 0, &pb.NodeProto{Name: turned, OpType: "Transpose",
		Input: []string{name}, Output: []string{turned}, Attribute: []*pb.AttributeProto{onnx.Ints("perm", perm...)}})
	shape := input.Type.GetTensorType().Shape
	standard := make([]*pb.TensorShapeProto_Dimension, 4)
	for i, p := range perm {
		standard[p] = shape.Dim[i]
	}
	input.Name, shape.Dim = name, standard
	return nil
}

// readInput sets the batch size and returns the fixed side of the input, 0 if it is
// free.
func (b *Backbone) readInput(m *pb.ModelProto) (int, error) {
	input, err := imageInput(m.Graph)
	if err != nil {
		return 0, err
	}
	dtype, dims, ok := onnx.Shape(input)
	if !ok || len(dims) != 4 {
		return 0, fmt.Errorf("its input %q has %d dimensions, but a batch of images has 4", input.Name, len(dims))
	}
	channels, height, width := dims[1], dims[2], dims[3]
	switch dtype {
	case pb.TensorProto_FLOAT:
	case pb.TensorProto_UINT8:
		height, width, channels = dims[1], dims[2], dims[3]
	default:
		return 0, fmt.Errorf("its input %q is %v instead of float32 or uint8", input.Name, dtype)
	}
	if channels >= 0 && channels != 3 {
		return 0, fmt.Errorf("its input %q has shape %v instead of one with 3 channels ([batch, 3, height, width] or "+
			"[batch, height, width, 3])", input.Name, dims)
	}
	if height != width && height >= 0 && width >= 0 {
		return 0, fmt.Errorf("its input %q is %d×%d, but fx supports only squares", input.Name, height, width)
	}
	if dims[0] > 0 {
		b.Batch = int(dims[0])
	}
	return int(max(height, width, 0)), nil
}

func (b *Backbone) readPreprocess(m *pb.ModelProto, size int, options FileOptions) error {
	text, ok := onnx.Metadata(m, MetaPreprocess)
	if ok {
		if err := json.Unmarshal([]byte(text), &b.Preprocess); err != nil {
			return fail.Wrap(fail.Model, err, exporterHint, "%s of ONNX file %s", MetaPreprocess, b.File)
		}
	} else {
		b.Preprocess = preprocess.ImageNet(0, size)
		b.assumeNormalization(m.Graph, options.Normalization)
	}
	if n := options.Normalization; n != (preprocess.Normalization{}) {
		if takesBytes(m.Graph) && n != b.Preprocess.Normalization() {
			return fail.New(fail.Usage, "Omit --mean and --std.",
				"ONNX file %s takes the photos' bytes (uint8) and normalises them itself", b.File)
		}
		b.Preprocess.Mean, b.Preprocess.Std = n.Mean, n.Std
	}
	if options.Resize > 0 {
		b.Preprocess.Resize = options.Resize
	}
	if options.Crop > 0 {
		b.Preprocess.Crop = options.Crop
	}
	var flags []string
	if b.Preprocess.Resize == 0 {
		flags = append(flags, "--resize")
	}
	if b.Preprocess.Crop == 0 {
		flags = append(flags, "--crop")
	}
	if len(flags) > 0 {
		return fail.New(fail.Usage, fmt.Sprintf("Give %s in pixels, as the network was trained. %s",
			strings.Join(flags, " and "), exporterHint),
			"ONNX file %s does not say how its images are resized and cropped", b.File)
	}
	if err := b.Preprocess.Check(); err != nil {
		return fail.Wrap(fail.Usage, err, exporterHint, "preprocessing of ONNX file %s", b.File)
	}
	if size > 0 && b.Preprocess.Crop != size {
		return fail.New(fail.Usage, fmt.Sprintf("Give --crop %d.", size),
			"ONNX file %s takes images of %d×%d pixels, not the %d of the crop", b.File, size, size, b.Preprocess.Crop)
	}
	return nil
}

// takesBytes reports whether the input of g is uint8.
func takesBytes(g *pb.GraphProto) bool {
	input, err := imageInput(g)
	if err != nil {
		return false
	}
	dtype, _, _ := onnx.Shape(input)
	return dtype == pb.TensorProto_UINT8
}

// assumeNormalization sets the normalization of a file without metadata, and notes what
// it assumes. chosen is the user's.
func (b *Backbone) assumeNormalization(g *pb.GraphProto, chosen preprocess.Normalization) {
	const resizing = "bilinear resizing"
	note := ""
	switch inside, ok := normalizationInside(g); {
	case takesBytes(g):
		note = "%s takes the photos' bytes and normalises them itself; it does not record how they are resized: fx " +
			"assumes " + resizing
	case chosen != preprocess.Normalization{}:
		note = "%s does not record how its images are resized: fx assumes " + resizing
	case ok:
		b.Preprocess.Mean, b.Preprocess.Std = inside.Mean, inside.Std
		values := "0–1"
		if inside == preprocess.Raw() {
			values = "0–255"
		}
		note = "%s normalises its images itself, by constants after its input: fx gives it values in " + values +
			" and assumes " + resizing + "; --mean and --std choose other values"
	default:
		note = "%s does not record how its images are normalised: fx assumes ImageNet's mean and standard deviation " +
			"and " + resizing + "; --mean and --std change them"
	}
	b.Notes = append(b.Notes, fmt.Sprintf(note, b.File))
}

// normalizationInside returns the normalization that a network expects which normalises
// its images itself: values in 0–255 or in 0–1. It looks at the scale and the shift of
// each channel before the first layer.
func normalizationInside(g *pb.GraphProto) (preprocess.Normalization, bool) {
	scale, shift, ok := pixelScale(g)
	if !ok {
		return preprocess.Normalization{}, false
	}
	s, low := 0., 0.
	for c := range 3 {
		s += math.Abs(scale[c]) / 3
		low += math.Abs(shift[c]) / 3
	}
	switch {
	case s < 0.1: // a fraction of 1/255
		return preprocess.Raw(), true
	case low > 10: // the mean of bytes is subtracted
		return preprocess.Raw(), true
	case s > 0.9: // 1/std of values in 0–1
		return preprocess.Unit(), true
	}
	return preprocess.Normalization{}, false // values that are normalised already, in another way
}

// pixelScale returns what g computes of each channel before anything else, as
// scale·x + shift; ok is false if that is x itself.
func pixelScale(g *pb.GraphProto) (scale, shift [3]float64, ok bool) {
	input, err := imageInput(g)
	if err != nil {
		return scale, shift, false
	}
	scale = [3]float64{1, 1, 1}
	ix := onnx.NewIndex(g)
	for value := input.Name; ; {
		users := ix.Consumers(value)
		if len(users) != 1 || users[0].Domain != "" {
			return scale, shift, ok
		}
		n := users[0]
		switch n.OpType {
		case "Transpose", "Cast", "Identity":
		case "Sub", "Add", "Mul", "Div":
			k, left := channelConstant(ix, n.Input[1]), n.Input[0] == value
			if !left {
				k = channelConstant(ix, n.Input[0])
			}
			if k == nil || n.OpType == "Div" && !left {
				return scale, shift, ok
			}
			ok = true
			for c := range 3 {
				switch {
				case n.OpType == "Add":
					shift[c] += k[c]
				case n.OpType == "Mul":
					scale[c], shift[c] = scale[c]*k[c], shift[c]*k[c]
				case n.OpType == "Div":
					scale[c], shift[c] = scale[c]/k[c], shift[c]/k[c]
				case left:
					shift[c] -= k[c]
				default:
					scale[c], shift[c] = -scale[c], k[c]-shift[c]
				}
			}
		default:
			return scale, shift, ok
		}
		value = n.Output[0]
	}
}

// channelConstant returns the three numbers of a constant that has one for each channel
// or one for all, else nil.
func channelConstant(ix *onnx.Index, value string) []float64 {
	for {
		n := ix.Producer(value)
		if n == nil || !slices.Contains([]string{"Unsqueeze", "Reshape", "Cast", "Squeeze"}, n.OpType) {
			break
		}
		value = n.Input[0]
	}
	t := ix.Constant(value)
	if t == nil {
		return nil
	}
	numbers, err := onnx.Float32s(t)
	if err != nil || len(numbers) != 1 && len(numbers) != 3 {
		return nil
	}
	k := make([]float64, 3)
	for c := range k {
		k[c] = float64(numbers[c%len(numbers)])
	}
	return k
}
