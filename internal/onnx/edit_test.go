package onnx

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"fx/internal/onnx/pb"
)

func TestCut(t *testing.T) {
	m := tiny()
	if err := Cut(m.Graph, TensorInfo("h", pb.TensorProto_FLOAT, "batch", 3)); err != nil {
		t.Fatal(err)
	}
	if got := nodeNames(m.Graph); !slices.Equal(got, []string{"h"}) {
		t.Errorf("left nodes %v", got)
	}
	if err := Cut(m.Graph, TensorInfo("x", pb.TensorProto_FLOAT, "batch", 2)); err != nil {
		t.Fatal(err)
	}
	if len(m.Graph.Node)+len(m.Graph.Initializer) != 0 || len(m.Graph.Input) != 1 {
		t.Errorf("cut to the input left %v", m.Graph)
	}
	before := proto.CloneOf(m)
	if err := Cut(m.Graph, TensorInfo("ghost", pb.TensorProto_FLOAT)); err == nil || !proto.Equal(m, before) {
		t.Errorf("cut to nothing: %v, graph changed: %v", err, !proto.Equal(m, before))
	}
}

func TestCutKeepsWhatABranchSees(t *testing.T) {
	m := withBranch()
	Prune(m.Graph)
	if got := nodeNames(m.Graph); !slices.Equal(got, []string{"h", "chosen"}) {
		t.Errorf("left nodes %v", got)
	}
	if err := Check(m.Graph); err != nil {
		t.Error(err)
	}
}

// For random graphs: what is left is sound, is what the outputs reach, and
// pruning again changes nothing.
func TestPruneProperties(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		g := randomGraph(r, r.IntN(30))
		if err := Check(g); err != nil {
			t.Fatal(err)
		}
		want := reached(g)
		Prune(g)
		if err := Check(g); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		left := map[string]bool{}
		for _, n := range g.Node {
			left[n.Name] = true
		}
		for _, c := range g.Initializer {
			left[c.Name] = true
		}
		for _, in := range g.Input {
			left[in.Name] = true
		}
		for name := range want {
			if !left[name] {
				t.Fatalf("seed %d: %s is needed and gone", seed, name)
			}
		}
		if len(left) != len(want) {
			t.Fatalf("seed %d: left %v, needed %v", seed, left, want)
		}
		again := proto.CloneOf(g)
		Prune(again)
		if !proto.Equal(again, g) {
			t.Fatalf("seed %d: pruning twice differs", seed)
		}
	}
}

// reached lists nodes, initializers and inputs that outputs need, by fixpoint.
func reached(g *pb.GraphProto) map[string]bool {
	values := map[string]bool{}
	for _, out := range g.Output {
		values[out.Name] = true
	}
	found := map[string]bool{}
	for range len(g.Node) + 1 {
		for _, n := range g.Node {
			if slices.ContainsFunc(n.Output, func(s string) bool { return values[s] }) {
				found[n.Name] = true
				for _, in := range n.Input {
					values[in] = true
				}
			}
		}
	}
	for _, c := range g.Initializer {
		if values[c.Name] {
			found[c.Name] = true
		}
	}
	for _, in := range g.Input {
		if values[in.Name] {
			found[in.Name] = true
		}
	}
	return found
}

func TestSortRestoresOrder(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := randomGraph(r, 1+r.IntN(40))
		sorted := proto.CloneOf(g)
		if err := Sort(sorted); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(sorted, g) {
			t.Fatalf("seed %d: a sorted graph was reordered", seed)
		}
		r.Shuffle(len(g.Node), func(i, j int) { g.Node[i], g.Node[j] = g.Node[j], g.Node[i] })
		if err := Sort(g); err != nil {
			t.Fatal(err)
		}
		if err := Check(g); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	m := tiny()
	m.Graph.Node[0].Input[0] = "y"
	if err := Sort(m.Graph); err == nil {
		t.Error("a circle was sorted")
	}
}

func TestBypass(t *testing.T) {
	build := func(output string) *pb.GraphProto {
		g := &pb.GraphProto{}
		b := NewBuilder(g, "")
		b.Input(TensorInfo("x", pb.TensorProto_FLOAT, 1))
		b.OpTo("a", "Relu", []string{"x"})
		b.OpTo("d1", "Dropout", []string{"a"})
		b.OpTo("d2", "Dropout", []string{"d1"})
		b.OpTo("b", "Exp", []string{"d2"})
		b.OpTo("d3", "Dropout", []string{"b"})
		g.Output = []*pb.ValueInfoProto{TensorInfo(output, pb.TensorProto_FLOAT, 1)}
		return g
	}
	dropout := func(n *pb.NodeProto) bool { return n.OpType == "Dropout" }
	for output, want := range map[string]string{
		"b":  "x>a a>b b>",
		"d3": "x>a a>d3 d3>",  // the output's name stays, its maker takes it
		"d1": "x>d1 d1>b d1>", // likewise where a node further on uses it too
	} {
		g := build(output)
		if err := Bypass(g, dropout); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range g.Node {
			got = append(got, n.Input[0]+">"+n.Output[0])
		}
		got = append(got, g.Output[0].Name+">")
		if s := strings.Join(got, " "); s != want {
			t.Errorf("output %s: %s, want %s", output, s, want)
		}
		if err := Check(g); err != nil {
			t.Error(err)
		}
	}
	g := build("b")
	g.Node[1].Output = append(g.Node[1].Output, "mask")
	g.Output = append(g.Output, TensorInfo("mask", pb.TensorProto_BOOL, 1))
	if err := Bypass(g, dropout); err == nil {
		t.Error("a used mask was dropped")
	}
	g = build("d1")
	g.Output = append(g.Output, TensorInfo("d2", pb.TensorProto_FLOAT, 1))
	if err := Bypass(g, dropout); err == nil {
		t.Error("two outputs became one value")
	}
}

func TestRename(t *testing.T) {
	m := withBranch()
	if err := Rename(m.Graph, map[string]string{"h": "hidden", "x": "y", "y": "x", "w": "weight",
		"then_out": "t"}); err != nil {
		t.Fatal(err)
	}
	if err := Check(m.Graph); err != nil {
		t.Error(err)
	}
	branch := m.Graph.Node[3].Attribute[0].G
	if branch.Node[0].Input[0] != "hidden" || branch.Output[0].Name != "t" || m.Graph.Input[0].Name != "y" {
		t.Errorf("renamed to %v", m.Graph)
	}
	before := proto.CloneOf(m)
	if err := Rename(m.Graph, map[string]string{"hidden": "x"}); err == nil || !proto.Equal(m, before) {
		t.Errorf("two values of one name: %v", err)
	}
	if err := Rename(m.Graph, map[string]string{"hidden": ""}); err == nil {
		t.Error("an empty name was given")
	}
}

func TestAppend(t *testing.T) {
	first, second := tiny().Graph, tiny().Graph
	second.Input[0].Type = TensorInfo("", pb.TensorProto_FLOAT, "batch", 3).Type
	if err := Append(first, proto.CloneOf(second), map[string]string{"x": "y"}); err == nil ||
		!strings.Contains(err.Error(), "both graphs") {
		t.Errorf("colliding names: %v", err)
	}
	if err := prefix(second, "second/", "x"); err != nil {
		t.Fatal(err)
	}
	for input, value := range map[string]string{"ghost": "y", "x": "ghost"} {
		if err := Append(first, proto.CloneOf(second), map[string]string{input: value}); err == nil {
			t.Errorf("wired %s to %s", value, input)
		}
	}
	if err := Append(first, second, map[string]string{"x": "y"}); err != nil {
		t.Fatal(err)
	}
	if err := Cut(first, TensorInfo("second/z", pb.TensorProto_FLOAT, "batch", 3)); err != nil {
		t.Fatal(err)
	}
	if err := Check(first); err != nil {
		t.Error(err)
	}
	if got := nodeNames(first); !slices.Equal(got, []string{"h", "y", "second/h", "second/z"}) {
		t.Errorf("joined nodes %v", got)
	}
}

func TestCloneSharesOnlyData(t *testing.T) {
	m := withBranch()
	SetMetadata(m, "key", "value")
	c := Clone(m)
	if !proto.Equal(c, m) {
		t.Fatal("the clone differs")
	}
	if &c.Graph.Initializer[0].RawData[0] != &m.Graph.Initializer[0].RawData[0] {
		t.Error("the data was copied")
	}
	before := proto.CloneOf(m)
	if err := prefix(c.Graph, "c/"); err != nil {
		t.Fatal(err)
	}
	c.Graph.Initializer[0].Dims[0] = 9
	SetMetadata(c, "key", "other")
	SetOpset(c, "", 99)
	if !proto.Equal(m, before) {
		t.Error("editing the clone changed the original")
	}
}

func TestIndex(t *testing.T) {
	m := withBranch()
	ix := NewIndex(m.Graph)
	if n := ix.Producer("h"); n == nil || n.OpType != "MatMul" {
		t.Errorf("h is made by %v", n)
	}
	var users []string
	for _, n := range ix.Consumers("h") {
		users = append(users, n.OpType)
	}
	if !slices.Equal(users, []string{"Relu", "Neg", "If"}) {
		t.Errorf("h is used by %v", users)
	}
	if ix.Initializer("w") == nil || ix.Input("yes") == nil || ix.Output("chosen") == nil || ix.Info("x") == nil ||
		ix.Has("ghost") {
		t.Error("the index misses values or invents one")
	}
	b := NewBuilder(m.Graph, "")
	same := b.Op("Identity", []string{b.Op("Constant", nil, Ints("value_ints", 4, 5))})
	values, err := Int64s(NewIndex(m.Graph).Constant(same))
	if err != nil || !slices.Equal(values, []int64{4, 5}) {
		t.Errorf("constant %v, %v", values, err)
	}
	if NewIndex(m.Graph).Constant("h") != nil {
		t.Error("a computed value passed for a constant")
	}
}

func TestBuilderNamesAreFresh(t *testing.T) {
	m := tiny()
	b := NewBuilder(m.Graph, "")
	if name := b.Constant(NewFloat32("w", nil, []float32{1})); name == "w" {
		t.Error("a name was given twice")
	}
	first, second := b.Op("Relu", []string{"y"}), b.Op("Relu", []string{"y"})
	if first == second {
		t.Error("two nodes make the same value")
	}
	if err := Check(m.Graph); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("OpTo took a name that exists")
		}
	}()
	b.OpTo("y", "Relu", []string{"h"})
}
