package artifacts_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/weights"
)

func smallOptions(t testing.TB) artifacts.Options {
	return artifacts.Options{
		Optimizer: artifacts.Optimizer{Name: artifacts.AdamW, WeightDecay: 0.01}, Batch: 4, EMA: 0.9, ClipGradNorm: 1,
		FloatInput: true, Probe: probe(t),
	}
}

func TestGenerateAndRead(t *testing.T) {
	n := small(t)
	if err := n.SetClasses(5, 1); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	info, err := artifacts.Generate(context.Background(), dir, n, smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	set, err := artifacts.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if set.Classes != 5 || len(set.Trained) != 6 || !slices.Equal(set.Trained, info.Trained) {
		t.Errorf("read %d classes and trained %v", set.Classes, set.Trained)
	}
	// What was read trains: its loss falls on one batch.
	state, err := set.Checkpoint.Unpack(set.Step.State)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, set.Step, state)
	var losses []float64
	for range 10 {
		out, err := r.run(smallFeeds(0, 0.01))
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, float64(ort.Data[float32](out[set.Step.Loss])[0]))
	}
	if !(losses[9] < 0.7*losses[0]) {
		t.Errorf("the loss went from %g to %g", losses[0], losses[9])
	}
	if math.Abs(losses[0]-math.Log(5)) > 0.5 {
		t.Errorf("a fresh classifier of 5 classes starts at a loss of %g", losses[0])
	}
	// Generating again gives the same bytes.
	again := filepath.Join(t.TempDir(), "again")
	if _, err := artifacts.Generate(context.Background(), again, n, smallOptions(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{artifacts.StepFile, artifacts.TrainingFile, artifacts.OptimizerFile,
		artifacts.EvalFile, "checkpoint/model.safetensors"} {
		a, errA := os.ReadFile(filepath.Join(dir, name))
		b, errB := os.ReadFile(filepath.Join(again, name))
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			t.Errorf("%s differs: %v %v", name, errA, errB)
		}
	}
}

// After a step, evaluation with the new state in the graph or beside it gives
// the same, on a batch of another size.
func TestEval(t *testing.T) {
	n := small(t)
	eval, err := n.Eval(smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(eval)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := eval.Embed(initial)
	if err != nil {
		t.Fatal(err)
	}
	if len(embedded.Graph.Input) != 2 {
		t.Errorf("%d inputs are left", len(embedded.Graph.Input))
	}
	fixed := *eval
	fixed.Model, fixed.State = embedded, nil
	feeds := map[string]ort.Tensor{
		"input": ort.NewTensor(smallPhotos(0)[:3*192], 3, 3, 8, 8), "labels": ort.NewTensor([]int64{0, 1, 2}, 3),
	}
	a, err := newRunner(t, eval, initial).run(feeds)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newRunner(t, &fixed, initial).run(feeds)
	if err != nil {
		t.Fatal(err)
	}
	logits := ort.Data[float32](a[eval.Logits])
	for i, v := range ort.Data[float32](b[eval.Logits]) {
		near(t, "logit", float64(v), float64(logits[i]), 1e-5)
	}
	var loss float64
	correct := int64(0)
	for i := range 3 {
		row := logits[3*i : 3*i+3]
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v))
		}
		loss += (math.Log(sum) - float64(row[i])) / 3
		if row[i] == slices.Max(row) {
			correct++
		}
	}
	near(t, "loss", float64(ort.Data[float32](a[eval.Loss])[0]), loss, 1e-5)
	near(t, "weight of the loss", float64(ort.Data[float32](a[eval.LossWeight])[0]), 3, 0)
	if got := ort.Data[int64](a[eval.Correct])[0]; got != correct {
		t.Errorf("%d right predictions instead of %d", got, correct)
	}
}

// Photos as bytes and normalised floats are the same step.
func TestImagesAreNormalised(t *testing.T) {
	n := small(t)
	o := smallOptions(t)
	o.FloatInput = false
	g, err := n.Step(o)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]uint8, 4*8*8*3)
	floats := make([]float32, len(pixels))
	for i := range pixels {
		pixels[i] = uint8(mix(i))
		c, y, image := i%3, i/3%64, i/192
		v := (float64(pixels[i])/255 - float64(n.Preprocess.Mean[c])) / float64(n.Preprocess.Std[c])
		floats[image*192+c*64+y] = float32(v)
	}
	if g.Image != artifacts.ImagesName || !slices.Equal(g.ImageShape, []int64{4, 8, 8, 3}) {
		t.Fatalf("input %s %v", g.Image, g.ImageShape)
	}
	feeds := smallFeeds(0, 0.1)
	feeds[g.Image] = ort.NewTensor(pixels, g.ImageShape...)
	bytes, err := newRunner(t, g, initial).run(feeds)
	if err != nil {
		t.Fatal(err)
	}
	asFloat, err := n.Step(smallOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	feeds["input"] = ort.NewTensor(floats, 4, 3, 8, 8)
	want, err := newRunner(t, asFloat, initial).run(feeds)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", float64(ort.Data[float32](bytes[g.Loss])[0]), float64(ort.Data[float32](want[g.Loss])[0]), 1e-6)
}

func TestSelect(t *testing.T) {
	n := small(t)
	for _, c := range []struct {
		patterns []string
		want     string
	}{
		{nil, "conv.weight conv.bias bn.weight bn.bias fc.weight fc.bias"},
		{[]string{"fc.*"}, "fc.weight fc.bias"},
		{[]string{"*.bias"}, "conv.bias bn.bias fc.bias"},
		{[]string{"fc.weight", "bn*"}, "bn.weight bn.bias fc.weight"},
		{n.Head(), "fc.weight fc.bias"},
	} {
		got, err := n.Select(c.patterns)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%v selects %v (%v)", c.patterns, got, err)
		}
	}
	_, err := n.Select([]string{"layer4.*"})
	if fail.KindOf(err) != fail.Usage || !strings.Contains(fail.HintOf(err), "conv.*") {
		t.Errorf("a pattern that matches nothing: %v, hint %q", err, fail.HintOf(err))
	}
	if _, err := n.Select([]string{"bn.running_mean"}); fail.KindOf(err) != fail.Usage {
		t.Errorf("running statistics can be selected: %v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	n := small(t)
	for name, spoil := range map[string]func(*artifacts.Options){
		"optimizer":     func(o *artifacts.Options) { o.Optimizer.Name = "lion" },
		"nesterov":      func(o *artifacts.Options) { o.Optimizer = artifacts.Optimizer{Nesterov: true} },
		"momentum":      func(o *artifacts.Options) { o.Optimizer = artifacts.Optimizer{Momentum: 1} },
		"smoothing":     func(o *artifacts.Options) { o.LabelSmoothing = math.NaN() },
		"class weights": func(o *artifacts.Options) { o.ClassWeights = []float64{1} },
		"batch":         func(o *artifacts.Options) { o.Batch = -1 },
	} {
		o := smallOptions(t)
		spoil(&o)
		if _, err := n.Step(o); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A registered network with a fresh head: names and shapes are torchvision's,
// the rest of the weights is kept, and its checkpoint loads strictly.
func TestFromBackbone(t *testing.T) {
	n := seeded(t, "inception_v3")
	if err := n.SetClasses(2, 3); err != nil {
		t.Fatal(err)
	}
	if n.Classes != 2 {
		t.Errorf("%d classes", n.Classes)
	}
	step, err := n.Step(artifacts.Options{Optimizer: artifacts.Optimizer{Momentum: 0.9}, Batch: 2, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := onnx.Check(step.Model.Graph); err != nil {
		t.Error(err)
	}
	kinds := map[artifacts.Kind]int{}
	for _, s := range step.State {
		kinds[s.Kind]++
		if s.Next == "" {
			t.Errorf("%s never changes", s.Name)
		}
	}
	if kinds[artifacts.ParameterState] != 292 || kinds[artifacts.StatisticState] != 192 ||
		kinds[artifacts.OptimizerState] != 292 {
		t.Errorf("state: %v", kinds)
	}
	if len(step.Noise) != 1 || step.Noise[0].Drop != 0.5 {
		t.Errorf("noise: %v", step.Noise)
	}
	c := n.Pack(nil, weights.NewStateDict(), 7, false)
	b, err := backbones.Lookup("inception_v3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backbones.Assemble(b, c.Model); err != nil {
		t.Error(err)
	}
	if c.Model.Len() != 484+96 { // with num_batches_tracked, for load_state_dict(strict=True)
		t.Errorf("%d tensors in the state dict", c.Model.Len())
	}
}
