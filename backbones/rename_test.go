package backbones

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/onnx/pb"
	"fx/internal/progress"
	"fx/internal/weights"
)

// tensor is a name with a shape.
type tensor struct {
	name  string
	shape []int
}

// renamedPairs returns what testdata/make_renamed.py found: for two networks, the tensors that correspond.
func renamedPairs(t *testing.T) map[string][][2]tensor {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "renamed.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var found map[string][][4]json.RawMessage
	if err := json.NewDecoder(unzipped).Decode(&found); err != nil {
		t.Fatal(err)
	}
	pairs := map[string][][2]tensor{}
	for networks, list := range found {
		for _, l := range list {
			var pair [2]tensor
			for i := range pair {
				if err := json.Unmarshal(l[i], &pair[i].name); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(l[i+2], &pair[i].shape); err != nil {
					t.Fatal(err)
				}
			}
			pairs[networks] = append(pairs[networks], pair)
		}
	}
	return pairs
}

// Torchvision's weights load into timm's graph, and timm's into torchvision's, each tensor where the same logits need
// it.
func TestNamesOfTheOtherPackage(t *testing.T) {
	pairs := renamedPairs(t)
	for _, family := range []string{"vgg11_bn", "vit_b_32", "convnext_tiny", "swin_t", "regnet_y_400mf",
		"regnet_x_400mf", "mobilenet_v2", "efficientnet_b0", "mnasnet1_0"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(pairs)), func(networks string) bool {
			return strings.HasPrefix(networks, family+" ")
		}) {
			t.Errorf("no pair for %s", family)
		}
	}
	for networks, list := range pairs {
		for to, from := range []int{1, 0} {
			t.Run(fmt.Sprint(networks, " ", from, " to ", to), func(t *testing.T) {
				graph := &pb.GraphProto{}
				sd := weights.NewStateDict()
				data := map[string]string{} // by our name
				for i, pair := range list {
					graph.Initializer = append(graph.Initializer, graphOf(pair[to]).Initializer...)
					text := fmt.Sprint(i)
					sd.Set("module."+pair[from].name, weights.Tensor{DType: weights.F32, Shape: pair[from].shape,
						Data: []byte(text)})
					data[pair[to].name] = text
					if layer, found := strings.CutSuffix(pair[from].name, "running_var"); found {
						sd.Set("module."+layer+"num_batches_tracked", weights.Tensor{DType: weights.I64,
							Data: []byte("counter " + text)})
						data[strings.TrimSuffix(pair[to].name, "running_var")+"num_batches_tracked"] = "counter " + text
					}
				}
				got := underNamesOf(graph, sd)
				for _, pair := range list {
					want := pair[to]
					x, found := got.Get(want.name)
					if !found || string(x.Data) != data[want.name] || !slices.Equal(x.Shape, want.shape) {
						t.Errorf("%s is %q %v, want %q %v", want.name, x.Data, x.Shape, data[want.name], want.shape)
					}
				}
				for _, name := range got.Names() {
					if tensor, _ := got.Get(name); string(tensor.Data) != data[name] {
						t.Errorf("%s is %q, want %q", name, tensor.Data, data[name])
					}
				}
			})
		}
	}
}

// graphOf returns a graph without nodes and with these initializers.
func graphOf(tensors ...tensor) *pb.GraphProto {
	g := &pb.GraphProto{}
	for _, x := range tensors {
		t := &pb.TensorProto{Name: x.name}
		for _, d := range x.shape {
			t.Dims = append(t.Dims, int64(d))
		}
		g.Initializer = append(g.Initializer, t)
	}
	return g
}

// stateOf returns a state dict of names and shapes.
func stateOf(tensors ...tensor) *weights.StateDict {
	sd := weights.NewStateDict()
	for _, x := range tensors {
		sd.Set(x.name, weights.Tensor{DType: weights.F32, Shape: x.shape})
	}
	return sd
}

func TestNamesOfAuthorsOwnFiles(t *testing.T) {
	for label, c := range map[string]struct {
		ours   []tensor
		theirs []tensor
		want   []string
	}{
		"DINOv2": {
			[]tensor{{"pos_embed", []int{1, 1370, 384}}, {"blocks.0.attn.qkv.weight", []int{1152, 384}},
				{"blocks.0.ls1.gamma", []int{384}}},
			[]tensor{{"pos_embed", []int{1, 1370, 384}}, {"mask_token", []int{1, 384}},
				{"blocks.0.attn.qkv.weight", []int{1152, 384}}, {"blocks.0.ls1.gamma", []int{384}}},
			[]string{"pos_embed", "blocks.0.attn.qkv.weight", "blocks.0.ls1.gamma"},
		},
		"ConvNeXt, for torchvision's": {
			[]tensor{{"features.1.0.layer_scale", []int{96, 1, 1}}, {"features.0.0.weight", []int{96, 3, 4, 4}},
				{"features.2.1.weight", []int{192, 96, 2, 2}}, {"features.1.0.block.3.weight", []int{384, 96}},
				{"classifier.0.weight", []int{768}}, {"classifier.2.weight", []int{1000, 768}}},
			[]tensor{{"stages.0.0.gamma", []int{96}}, {"downsample_layers.0.0.weight", []int{96, 3, 4, 4}},
				{"downsample_layers.1.1.weight", []int{192, 96, 2, 2}}, {"stages.0.0.pwconv1.weight", []int{384, 96}},
				{"norm.weight", []int{768}}, {"head.weight", []int{2, 768}}},
			[]string{"features.1.0.layer_scale", "features.0.0.weight", "features.2.1.weight",
				"features.1.0.block.3.weight", "classifier.0.weight", "classifier.2.weight"},
		},
		"Swin, for timm's": {
			[]tensor{{"layers.0.blocks.0.attn.relative_position_bias_table", []int{169, 3}},
				{"layers.1.downsample.reduction.weight", []int{192, 384}},
				{"layers.2.downsample.reduction.weight", []int{384, 768}}, {"head.fc.weight", []int{1000, 768}}},
			[]tensor{{"layers.0.blocks.0.attn.relative_position_bias_table", []int{169, 3}},
				{"layers.0.blocks.0.attn.relative_position_index", []int{49, 49}},
				{"layers.0.blocks.1.attn_mask", []int{64, 49, 49}},
				{"layers.0.downsample.reduction.weight", []int{192, 384}},
				{"layers.1.downsample.reduction.weight", []int{384, 768}}, {"head.weight", []int{1000, 768}}},
			[]string{"layers.0.blocks.0.attn.relative_position_bias_table", "layers.1.downsample.reduction.weight",
				"layers.2.downsample.reduction.weight", "head.fc.weight"},
		},
		"a tensor twice": { // both stay, so that one is an extra
			[]tensor{{"features.0.weight", []int{64, 3, 3, 3}}, {"classifier.6.weight", []int{1000, 4096}}},
			[]tensor{{"features.0.weight", []int{64, 3, 3, 3}}, {"pre_logits.fc1.weight", []int{4096, 512, 7, 7}},
				{"head.fc.weight", []int{1000, 4096}}, {"classifier.6.weight", []int{1000, 4096}}},
			[]string{"features.0.weight", "pre_logits.fc1.weight", "head.fc.weight", "classifier.6.weight"},
		},
		"another network's": { // kept, so that the error names them
			[]tensor{{"features.0.weight", []int{64, 3, 3, 3}}, {"classifier.6.weight", []int{1000, 4096}}},
			[]tensor{{"conv1.weight", []int{64, 3, 7, 7}}, {"fc.weight", []int{1000, 512}}},
			[]string{"conv1.weight", "fc.weight"},
		},
	} {
		t.Run(label, func(t *testing.T) {
			got := underNamesOf(graphOf(c.ours...), stateOf(c.theirs...))
			if !slices.Equal(got.Names(), c.want) {
				t.Errorf("%q, want %q", got.Names(), c.want)
			}
			for _, p := range c.ours {
				of := Parameter{Name: p.name, Shape: p.shape, Head: strings.HasPrefix(p.name, "classifier.2.")}
				if x, found := got.Get(p.name); found && !sameShape(of, x.Shape) {
					t.Errorf("%s is %v", p.name, x.Shape)
				}
			}
		})
	}
}

func TestRegistersOfDINOv2(t *testing.T) {
	theirs := weights.NewStateDict()
	for name, x := range map[string]struct {
		shape  []int
		values []float32
	}{
		"cls_token": {[]int{1, 1, 2}, []float32{1, 2}}, "register_tokens": {[]int{1, 1, 2}, []float32{5, 6}},
		"pos_embed": {[]int{1, 3, 2}, []float32{10, 20, 30, 40, 50, 60}}, "mask_token": {[]int{1, 2}, []float32{7, 8}},
		"blocks.0.attn.qkv.weight": {[]int{1}, []float32{9}},
	} {
		theirs.Set(name, weights.FromFloat32(x.shape, x.values))
	}
	got := underNamesOf(graphOf(tensor{"cls_token", []int{1, 1, 2}}, tensor{"reg_token", []int{1, 1, 2}},
		tensor{"pos_embed", []int{1, 2, 2}}, tensor{"blocks.0.attn.qkv.weight", []int{1}}), theirs)
	if got.Len() != 4 {
		t.Errorf("%q", got.Names())
	}
	for name, want := range map[string][]float32{"cls_token": {11, 22}, "reg_token": {5, 6},
		"pos_embed": {30, 40, 50, 60}} {
		x, _ := got.Get(name)
		if values, err := x.Float32s(); err != nil || !slices.Equal(values, want) {
			t.Errorf("%s: %v %v, want %v", name, values, err, want)
		}
	}
}

// A reshape must not turn one layer into another.
func TestShapesAreKeptUnlessTheyCountTheSame(t *testing.T) {
	for _, c := range []struct{ shape, want, got []int }{
		{[]int{96}, []int{96, 1, 1}, []int{96, 1, 1}},
		{[]int{96, 1, 1}, []int{96}, []int{96}},
		{[]int{4096, 512, 7, 7}, []int{4096, 25088}, []int{4096, 25088}},
		{[]int{7, 1024, 1, 1}, []int{1000, 1024}, []int{7, 1024}},
		{[]int{64, 3, 3}, []int{64, 3, 7, 7}, []int{64, 3, 3}},
		{[]int{384, 96}, []int{96, 384}, []int{384, 96}},
		{[]int{}, []int{1}, []int{}},
	} {
		if got := reshape(c.shape, c.want); !slices.Equal(got, c.got) {
			t.Errorf("%v for %v is %v, want %v", c.shape, c.want, got, c.got)
		}
	}
}

// Files of a whole trainer have the name of its module before all names.
func TestWrappedWeightsAreOpened(t *testing.T) {
	b, sd := mustSeed(t, "squeezenet1_1", 3)
	for _, prefix := range []string{"module.", "model.", "_orig_mod.", "model.module.", "_orig_mod.model."} {
		wrapped := weights.NewStateDict()
		for _, name := range sd.Names() {
			x, _ := sd.Get(name)
			wrapped.Set(prefix+name, x)
		}
		path := filepath.Join(t.TempDir(), "wrapped.safetensors")
		if err := weights.WriteSafetensors(path, wrapped); err != nil {
			t.Fatal(err)
		}
		n, err := Open(t.Context(), NetworkOptions{Backbone: b.Name, Weights: weights.File(path)}, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if state, err := n.State(); err != nil || !slices.Equal(slices.Sorted(slices.Values(state.Names())),
			slices.Sorted(slices.Values(sd.Names()))) {
			t.Errorf("%s: %v", prefix, err)
		}
		if _, err := n.Full(); err != nil {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	// a network whose own names begin so keeps them
	own := graphOf(tensor{"model.conv.weight", []int{1}})
	for _, name := range []string{"module.model.conv.weight", "model.conv.weight"} {
		if got := underNamesOf(own, stateOf(tensor{name, []int{1}})); got.Names()[0] != "model.conv.weight" {
			t.Errorf("%q for %s", got.Names(), name)
		}
	}
}

// Names come from files that nobody vouches for.
func TestStrangeNamesAreHarmless(t *testing.T) {
	for networks, list := range renamedPairs(t) {
		for side := range 2 {
			graph := &pb.GraphProto{}
			sd := weights.NewStateDict()
			for _, pair := range list {
				graph.Initializer = append(graph.Initializer, graphOf(pair[side]).Initializer...)
				other := pair[1-side]
				sd.Set(other.name, weights.Tensor{DType: weights.F32, Shape: other.shape})
			}
			for _, name := range []string{"", ".", "features.", "features.99999999999999999999", "blocks.1",
				"layers.8.0", "features.1.conv.9223372036854775807.0.weight",
				"features.1.0.block.9223372036854775807.0.weight",
				"layers.8.0.layers.9223372036854775807.weight", "blocks.99999999999999999999.0.bn1", "$1",
				"trunk_output.block1.block1-99999999999999999999.f.a.0.weight"} {
				sd.Set(name, weights.Tensor{DType: weights.F32})
			}
			if got := underNamesOf(graph, sd); got.Len() != sd.Len() { // matchNames reports them all
				t.Errorf("%s: %d tensors of %d", networks, got.Len(), sd.Len())
			}
		}
	}
}
