package backbones

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/float16"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/preprocess"
)

// front is a network that computes something of its pixels before the layers of custom, whose
// features are the means of the three channels.
func front(input *pb.ValueInfoProto, first func(b *onnx.Builder, x string) string) *pb.ModelProto {
	g := &pb.GraphProto{Name: "front"}
	b := onnx.NewBuilder(g, "")
	b.Input(input)
	x := first(b, input.Name)
	pooled := b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{x})}, onnx.Int("axis", 1))
	w := b.Constant(onnx.NewFloat32("w", []int64{5, 3}, make([]float32, 15)))
	b.OpTo("y", "Gemm", []string{pooled, w}, onnx.Int("transB", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, nil, 5)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	return m
}

// channelMeans are the features that FromFile's network gives for a photo of one colour.
func channelMeans(t *testing.T, m *pb.ModelProto, o FileOptions, colour [3]uint8) (Backbone, []float32) {
	t.Helper()
	o.Resize, o.Crop = 4, 4
	b, m, err := FromFile(saved(t, m), o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := features(m, b)
	if err != nil {
		t.Fatal(err)
	}
	return b, run(t, session(t, f), slices.Repeat(colour[:], 16), 1, 4)
}

// A network gets the values that it expects, whatever its input is: of its layout, of its type,
// and of a normalization of its own.
func TestFromFileFitsPhotosToTheInput(t *testing.T) {
	imagenet := preprocess.ImageNet(0, 0)
	planes := onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4)
	last := onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 4, 4, 3)
	constant := func(b *onnx.Builder, dims []int64, v ...float32) string {
		return b.Constant(onnx.NewFloat32("k", dims, v))
	}
	perChannel := []int64{1, 3, 1, 1}
	asPlanes := func(b *onnx.Builder, x string) string {
		return b.Op("Transpose", []string{x}, onnx.Ints("perm", 0, 3, 1, 2))
	}
	bytesToFloat := func(b *onnx.Builder, x string) string {
		return b.Op("Cast", []string{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	}
	none := func(_ *onnx.Builder, x string) string { return x }
	normalised := func(c int, v float64) float64 {
		return (v/255 - float64(imagenet.Mean[c])) / float64(imagenet.Std[c])
	}
	for name, c := range map[string]struct {
		input *pb.ValueInfoProto
		first func(b *onnx.Builder, x string) string
		want  func(c int, v float64) float64 // of a byte v in channel c
		note  string
	}{
		"none": {planes, none, normalised, "assumes ImageNet's"},
		"mean and std of 0–1": {planes, func(b *onnx.Builder, x string) string {
			// torchvision's Normalize, whose constants torch exports as [3] and unsqueezes
			mean := b.Op("Unsqueeze", []string{constant(b, []int64{3}, imagenet.Mean[:]...), b.Int64s("axes", 1, 2)})
			return b.Op("Div", []string{b.Op("Sub", []string{x, mean}), constant(b, perChannel, imagenet.Std[:]...)})
		}, normalised, "values in 0–1"},
		"mean and std of bytes": {planes, func(b *onnx.Builder, x string) string {
			return b.Op("Div", []string{b.Op("Sub", []string{x, constant(b, perChannel, 123.675, 116.28, 103.53)}),
				constant(b, perChannel, 58.395, 57.12, 57.375)})
		}, normalised, "values in 0–255"},
		"to -1–1": {planes, func(b *onnx.Builder, x string) string {
			return b.Op("Add", []string{b.Op("Mul", []string{x, constant(b, nil, 1/127.5)}), constant(b, nil, -1)})
		}, func(_ int, v float64) float64 { return v/127.5 - 1 }, "values in 0–255"},
		"mean of bytes alone": {planes, func(b *onnx.Builder, x string) string {
			return b.Op("Sub", []string{x, constant(b, perChannel, 103.939, 116.779, 123.68)})
		}, func(c int, v float64) float64 { return v - []float64{103.939, 116.779, 123.68}[c] }, "values in 0–255"},
		"inverted": {planes, func(b *onnx.Builder, x string) string {
			return b.Op("Sub", []string{constant(b, nil, 1), x})
		}, func(_ int, v float64) float64 { return 1 - v/255 }, "values in 0–1"},
		"other normalized values": {planes, func(b *onnx.Builder, x string) string {
			return b.Op("Mul", []string{x, constant(b, nil, 0.45)})
		}, func(c int, v float64) float64 { return 0.45 * normalised(c, v) }, "assumes ImageNet's"},
		"channels last": {last, asPlanes, normalised, "assumes ImageNet's"},
		"Keras": {last, func(b *onnx.Builder, x string) string {
			x = b.Op("Mul", []string{x, constant(b, nil, 1./255)})
			return asPlanes(b, b.Op("Div", []string{
				b.Op("Sub", []string{x, constant(b, []int64{3}, imagenet.Mean[:]...)}),
				constant(b, []int64{1, 1, 1, 3}, imagenet.Std[:]...)}))
		}, normalised, "values in 0–255"},
		"bytes, channels last": {onnx.TensorInfo("x", pb.TensorProto_UINT8, "n", 4, 4, 3),
			func(b *onnx.Builder, x string) string { return asPlanes(b, bytesToFloat(b, x)) },
			func(_ int, v float64) float64 { return v }, "takes the photos' bytes"},
		"bytes, channels first": {onnx.TensorInfo("x", pb.TensorProto_UINT8, "n", 3, 4, 4), bytesToFloat,
			func(_ int, v float64) float64 { return v }, "takes the photos' bytes"},
		"half precision": {onnx.TensorInfo("x", pb.TensorProto_FLOAT16, "n", 3, 4, 4),
			func(b *onnx.Builder, x string) string {
				raw := binary.LittleEndian.AppendUint16(nil, float16.Bits(3))
				k := b.Constant(onnx.NewRaw("k", pb.TensorProto_FLOAT16, nil, raw))
				return b.Op("Relu", []string{b.Op("Mul", []string{k, b.Op("Relu", []string{x})})})
			}, func(c int, v float64) float64 { return max(0, 3*normalised(c, v)) }, "assumes ImageNet's"},
		"half precision inside": {planes, func(b *onnx.Builder, x string) string {
			x = b.Op("Cast", []string{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT16)))
			return b.Op("Relu", []string{b.Op("Neg", []string{x})})
		}, func(c int, v float64) float64 { return max(0, -normalised(c, v)) }, "assumes ImageNet's"},
	} {
		t.Run(name, func(t *testing.T) {
			colour := [3]uint8{10, 128, 250}
			b, got := channelMeans(t, front(c.input, c.first), FileOptions{}, colour)
			for i, v := range colour {
				if want := c.want(i, float64(v)); math.Abs(float64(got[i])-want) > 1e-5*max(1, math.Abs(want)) {
					t.Errorf("channel %d: %g instead of %g", i, got[i], want)
				}
			}
			if notes := strings.Join(b.Notes, "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("notes %q without %q", notes, c.note)
			}
		})
	}
}

// The user's normalization counts more than the file's and what its graph shows.
func TestFromFileWithANormalization(t *testing.T) {
	half, err := preprocess.ParseNormalization("half", "")
	if err != nil {
		t.Fatal(err)
	}
	m := front(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4), func(b *onnx.Builder, x string) string {
		return b.Op("Mul", []string{x, b.Float32("k", 2)})
	})
	b, got := channelMeans(t, m, FileOptions{Normalization: half}, [3]uint8{0, 255, 255})
	if !slices.Equal(got, []float32{-2, 2, 2}) || strings.Contains(b.Notes[0], "normalise") {
		t.Errorf("%v, notes %q", got, b.Notes)
	}
	setJSON(m, MetaPreprocess, preprocess.ImageNet(4, 4))
	if _, got = channelMeans(t, m, FileOptions{Normalization: half}, [3]uint8{0, 255, 255}); got[0] != -2 {
		t.Errorf("with metadata: %v", got)
	}
	path := saved(t, front(onnx.TensorInfo("x", pb.TensorProto_UINT8, "n", 4, 4, 3),
		func(b *onnx.Builder, x string) string {
			x = b.Op("Cast", []string{x}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
			return b.Op("Transpose", []string{x}, onnx.Ints("perm", 0, 3, 1, 2))
		}))
	o := FileOptions{Resize: 4, Normalization: half}
	if _, _, err := FromFile(path, o); fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "--mean") {
		t.Errorf("for bytes: %v", err)
	}
}

// A file of several outputs, such as with an auxiliary classifier, is read at its first.
func TestFromFileNotesOtherOutputs(t *testing.T) {
	m := custom(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4))
	m.Graph.Output = append(m.Graph.Output, onnx.TensorInfo("pooled", pb.TensorProto_FLOAT, nil, 3))
	b, _, err := FromFile(saved(t, m), FileOptions{Resize: 4})
	if err != nil || !slices.ContainsFunc(b.Notes, func(n string) bool {
		return strings.Contains(n, `2 outputs: the first, "y", is used`)
	}) {
		t.Errorf("notes %q, %v", b.Notes, err)
	}
}

// quantizedTail ends in a linear classifier as ONNX Runtime's tools write it in one of their formats.
func quantizedTail(format string) *pb.ModelProto {
	g := &pb.GraphProto{Name: format}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "n", 3, 4, 4))
	x := b.Op("Flatten", []string{b.Op("GlobalAveragePool", []string{"x"})})
	scale := b.Float32("scale", 0.1)
	zero := b.Constant(onnx.NewRaw("zero", pb.TensorProto_UINT8, nil, []byte{0}))
	w := b.Constant(onnx.NewRaw("w", pb.TensorProto_UINT8, []int64{3, 5}, make([]byte, 15)))
	dequantized := func(v string) string { return b.Op("DequantizeLinear", []string{v, scale, zero}) }
	quantized := func(v string) string { return b.Op("QuantizeLinear", []string{v, scale, zero}) }
	out := ""
	switch format {
	case "QDQ":
		out = dequantized(quantized(b.Op("Gemm", []string{dequantized(quantized(x)), dequantized(w)})))
	case "QOperator":
		q := b.Add("com.microsoft", "QGemm", []string{quantized(x), scale, zero, w, scale, zero, "", scale, zero}, 1)
		out = dequantized(q[0])
	case "dynamic":
		q := b.Add("", "DynamicQuantizeLinear", []string{x}, 3)
		product := b.Op("MatMulInteger", []string{q[0], w, q[2], zero})
		product = b.Op("Cast", []string{product}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
		out = b.Op("Mul", []string{product, b.Op("Mul", []string{q[1], scale})})
	}
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(out, pb.TensorProto_FLOAT, "n", 5)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	onnx.SetOpset(m, "com.microsoft", 1)
	return m
}

// A quantized network has float32 features in front of its classifier, or an error says that they
// are integers.
func TestFromFileOfAQuantizedNetwork(t *testing.T) {
	for format, features := range map[string]string{"QDQ": "DequantizeLinear", "dynamic": "Flatten"} {
		b, got := channelMeans(t, quantizedTail(format), FileOptions{}, [3]uint8{200, 210, 220})
		if b.FeatureTensor != features || b.Head.In != 3 || b.Head.Classes != 5 || got[0] < 0.1 {
			t.Errorf("%s: %q, %+v, %v", format, b.FeatureTensor, b.Head, got)
		}
	}
	for _, o := range []FileOptions{{Resize: 4}, {Resize: 4, FeatureTensor: "QuantizeLinear"}} {
		_, _, err := FromFile(saved(t, quantizedTail("QOperator")), o)
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "8-bit integers") ||
			!strings.Contains(fail.HintOf(err), "--feature-tensor") {
			t.Errorf("%+v: %v, hint %q", o, err, fail.HintOf(err))
		}
	}
}
