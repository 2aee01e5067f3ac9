package backbones

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort/orttest"
	"fx/internal/preprocess"
	"fx/internal/relative"
	"fx/internal/testenv"
	"fx/internal/weights"
)

// halfTolerance is how far a photo's features may be from float32's, relatively
// (L2). On the CPU, where ONNX Runtime computes in float32 between casts that it
// leaves out, little but the weights is rounded, to 11 bits: 3e-4 is the most that
// was seen. On a GPU, where every op rounds, trained weights give 2e-3 to 3e-3.
const halfTolerance = 2e-3

func checkHalf(t *testing.T, b Backbone, sd *weights.StateDict) {
	t.Helper()
	whole, err := Assemble(b, sd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := features(whole, b)
	if err != nil {
		t.Fatal(err)
	}
	h, err := Float16(f)
	if err != nil {
		t.Fatal(err)
	}
	index, casts := onnx.NewIndex(h.Graph), 0
	for _, n := range h.Graph.Node {
		if productOps[n.OpType] {
			for _, in := range n.Input[1:] {
				if p := index.Initializer(in); p == nil || p.DataType != half {
					t.Errorf("%s of %s is no float16", in, n.Name)
				}
			}
		}
		if n.OpType == "Cast" {
			casts++
		}
	}
	if casts > 3 { // of the pixels, before the first product, to the features
		t.Errorf("%d casts: values go back and forth", casts)
	}
	for _, name := range []string{ownPrefix + "scale", ownPrefix + "shift"} { // normalisation rounds once, after it
		if p := index.Initializer(name); p == nil || p.DataType != full {
			t.Errorf("%s is no float32", name)
		}
	}
	size := b.Preprocess.Crop
	pixels := pattern(size, size)[:size*size*3]
	want, got := run(t, session(t, f), pixels, 1, size), run(t, session(t, h), pixels, 1, size)
	d := relative.L2(got, want)
	t.Logf("%s: %.1e", b.Name, d)
	if !(d <= halfTolerance) || d == 0 {
		t.Errorf("features in float16 are %.1e away", d)
	}
}

func TestFloat16LeavesItsInputAlone(t *testing.T) {
	b, sd := mustSeed(t, "resnet18", 0)
	whole, err := Assemble(b, sd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := features(whole, b)
	if err != nil {
		t.Fatal(err)
	}
	before := proto.Clone(f)
	if _, err := Float16(f); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(f, before) {
		t.Error("the model was changed")
	}
}

// Transformers are left out: float16 is for a GPU, and ONNX Runtime 1.31 crashes on a CPU when it optimizes
// torchvision's ViT in half precision.
func TestFloat16KeepsFeatures(t *testing.T) {
	for _, b := range All()[:8] {
		t.Run(b.Name, func(t *testing.T) {
			if testing.Short() && !slices.Contains(small, b.Name) {
				t.Skip("a large network, in -short")
			}
			orttest.Runtime(t)
			_, sd := mustSeed(t, b.Name, 0)
			checkHalf(t, b, lively(sd))
		})
	}
}

func TestFloat16KeepsOfficialFeatures(t *testing.T) {
	sd, _, err := weights.Read(testenv.WeightsFile(t, "squeezenet1_1.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Lookup("squeezenet1_1")
	if err != nil {
		t.Fatal(err)
	}
	checkHalf(t, b, sd)
}

// halfCase is a network that feeds on float32 [batch, 3, 4, 4], with a convolution
// first, that build goes on with.
func halfCase(build func(b *onnx.Builder, x string) string) *pb.ModelProto {
	g := &pb.GraphProto{Name: "case"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo(ImagesName, pb.TensorProto_UINT8, "batch", 4, 4, 3))
	x := normalise(b, ImagesName, preprocess.ImageNet(4, 4))
	x = b.Op("Conv", []string{x,
		b.Constant(onnx.NewFloat32("w", []int64{3, 3, 1, 1}, []float32{1, 0.1, -0.2, 0.3, 1, 0.5, -0.7, 0.2, 1}))})
	b.OpTo(FeaturesName, "Identity", []string{build(b, x)})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(FeaturesName, full)}
	g.Output[0].Type.GetTensorType().Shape = nil
	m := &pb.ModelProto{IrVersion: 10, Graph: g}
	onnx.SetOpset(m, "", 20)
	return m
}

// What networks of the user's own are made of.
func TestFloat16OfAnyOps(t *testing.T) {
	channels := func(b *onnx.Builder, hint string, v ...float32) string {
		return b.Constant(onnx.NewFloat32(hint, []int64{int64(len(v))}, v))
	}
	for name, c := range map[string]struct {
		build func(b *onnx.Builder, x string) string
		casts int // beside those of the pixels, to float16, and of the features
	}{
		"a variance beyond float16": {func(b *onnx.Builder, x string) string {
			x = b.Op("Relu", []string{b.Op("Mul", []string{x, b.Float32("k", 300)})}) // so that nothing folds
			return b.Op("BatchNormalization", []string{x, channels(b, "scale", 100, 1, 2),
				channels(b, "shift", 0.5, 0, 1),
				channels(b, "mean", 20, 1, 0), channels(b, "variance", 1e6, 2, 3)}, onnx.Float("epsilon", 0.1))
		}, 0},
		"squares that overflow": {func(b *onnx.Builder, x string) string {
			x = b.Op("Mul", []string{x, b.Float32("k", 1000)})
			squares := b.Op("Pow", []string{x, b.Float32("two", 2)})
			norm := b.Op("Sqrt", []string{b.Op("ReduceSum", []string{squares, b.Int64s("axes", 1)})})
			return b.Op("Div", []string{x, norm})
		}, 2},
		"a gate by the mean": {func(b *onnx.Builder, x string) string {
			gate := b.Op("Sigmoid", []string{b.Op("GlobalAveragePool", []string{x})})
			return b.Op("Mul", []string{x, gate})
		}, 2},
		"shapes, choices and positions": {func(b *onnx.Builder, x string) string {
			shape := b.Op("Shape", []string{x})
			batch := b.Op("Gather", []string{shape, b.Int64s("first", 0)})
			to := b.Op("Concat", []string{batch, b.Int64s("rest", 48)}, onnx.Int("axis", 0))
			flat := b.Op("Reshape", []string{x, to})
			positive := b.Op("Greater", []string{flat, b.Float32("zero", 0)})
			return b.Op("Where",
				[]string{positive, flat,
					b.Op("Cast", []string{b.Op("Cast", []string{flat}, onnx.Int("to", int64(pb.TensorProto_INT32)))},
						onnx.Int("to", int64(full)))})
		}, 3},
		"a constant that is computed": {func(b *onnx.Builder, x string) string {
			two := b.Op("Sqrt", []string{b.Float32("four", 4)})
			return b.Op("Add",
				[]string{b.Op("Mul", []string{x, two}), b.Op("Constant", nil, onnx.Float("value_float", 0.25))})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := halfCase(c.build)
			h, err := Float16(m)
			if err != nil {
				t.Fatal(err)
			}
			pixels := pattern(4, 4)
			if d := relative.L2(run(t, session(t, h), pixels, 2, 4),
				run(t, session(t, m), pixels, 2, 4)); !(d <= halfTolerance) {
				t.Errorf("%.1e away", d)
			}
			if got := countOps(h.Graph, "Cast") - countOps(m.Graph, "Cast"); got != c.casts+2 {
				t.Errorf("%d casts were added, want %d", got, c.casts+2)
			}
		})
	}
}

// A network that normalises by itself does so in float32, whatever ops it takes.
func TestFloat16KeepsPixels(t *testing.T) {
	g := &pb.GraphProto{Name: "case"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo(ImagesName, pb.TensorProto_UINT8, "batch", 4, 4, 3))
	x := b.Op("Cast", []string{b.Op("Transpose", []string{ImagesName}, onnx.Ints("perm", 0, 3, 1, 2))},
		onnx.Int("to", int64(full)))
	x = b.Op("Div", []string{x, b.Float32("std", 58.395)})
	x = b.Op("Conv", []string{x, b.Constant(onnx.NewFloat32("w", []int64{1, 3, 1, 1}, []float32{1, 2, 3}))})
	b.OpTo(FeaturesName, "Div", []string{x, b.Float32("scale", 3)})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo(FeaturesName, full, "batch", 1, 4, 4)}
	m := &pb.ModelProto{IrVersion: 10, Graph: g}
	onnx.SetOpset(m, "", 20)
	h, err := Float16(m)
	if err != nil {
		t.Fatal(err)
	}
	index := onnx.NewIndex(h.Graph)
	var types []pb.TensorProto_DataType // of the divisors, before and after the product
	for _, n := range h.Graph.Node {
		if n.OpType == "Div" {
			types = append(types, index.Initializer(n.Input[1]).GetDataType())
		}
	}
	if !slices.Equal(types, []pb.TensorProto_DataType{full, half}) {
		t.Errorf("the divisors are %v", types)
	}
}

func TestFloat16Refuses(t *testing.T) {
	for want, build := range map[string]func(b *onnx.Builder, x string) string{
		`value 0 of "k" is 70000, above float16's 65504`: func(b *onnx.Builder, x string) string {
			return b.Op("Mul", []string{x, b.Float32("k", 70000)})
		},
		"(FancyPool): fx does not support": func(b *onnx.Builder, x string) string {
			return b.Add("com.example", "FancyPool", []string{x}, 1)[0]
		},
		"(DynamicQuantizeLinear): fx does not support": func(b *onnx.Builder, x string) string {
			return b.Add("", "DynamicQuantizeLinear", []string{x}, 3)[0]
		},
	} {
		_, err := Float16(halfCase(build))
		if fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), want) ||
			!strings.Contains(fail.HintOf(err), "--precision") {
			t.Errorf("error %v (hint %q), want %q", err, fail.HintOf(err), want)
		}
	}
}
