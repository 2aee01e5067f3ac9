package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fx/internal/fail"
	"fx/internal/onnx/pb"
)

func TestSaveThenLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	want := tiny()
	SetMetadata(want, "b", "2")
	SetMetadata(want, "a", "1")
	if err := Save(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("loaded %v, want %v", got, want)
	}
	if a, b := mustMarshal(t, got), mustMarshal(t, want); string(a) != string(b) {
		t.Error("the same model gives different bytes")
	}
	if got.MetadataProps[0].Key != "a" {
		t.Error("metadata is not sorted by key")
	}
}

// Each case is a sound model with one thing broken, and a word of the message.
var badModels = map[string]struct {
	spoil func(*pb.ModelProto)
	word  string
}{
	"no graph":      {func(m *pb.ModelProto) { m.Graph = nil }, "no graph"},
	"no IR version": {func(m *pb.ModelProto) { m.IrVersion = 0 }, "IR version"},
	"no opset":      {func(m *pb.ModelProto) { m.OpsetImport = nil }, "operator set"},
	"short data":    {func(m *pb.ModelProto) { m.Graph.Initializer[0].RawData = make([]byte, 23) }, "23 bytes"},
	"long data":     {func(m *pb.ModelProto) { m.Graph.Initializer[0].RawData = make([]byte, 28) }, "28 bytes"},
	"no data":       {func(m *pb.ModelProto) { m.Graph.Initializer[0].RawData = nil }, "0 entries"},
	"negative dim":  {func(m *pb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{-2, -3} }, "negative"},
	"overflowing dim": {func(m *pb.ModelProto) {
		m.Graph.Initializer[0].Dims = []int64{1 << 32, 1 << 32}
	}, "more elements"},
	"wrapping dims": {func(m *pb.ModelProto) {
		m.Graph.Initializer[0].Dims = []int64{1 << 62, 4, 6}
	}, "more elements"},
	"bytes overflow": {func(m *pb.ModelProto) { m.Graph.Initializer[0].Dims = []int64{1 << 61} }, "more bytes"},
	"unknown dtype":  {func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = 77 }, "unknown"},
	"no dtype":       {func(m *pb.ModelProto) { m.Graph.Initializer[0].DataType = 0 }, "unknown"},
	"segment": {func(m *pb.ModelProto) {
		m.Graph.Initializer[0].Segment = &pb.TensorProto_Segment{End: 3}
	}, "segment"},
	"external, in memory": {func(m *pb.ModelProto) {
		m.Graph.Initializer[0].DataLocation = pb.TensorProto_EXTERNAL
	}, "another file"},
	"typed data of another length": {func(m *pb.ModelProto) {
		m.Graph.Initializer[0].RawData, m.Graph.Initializer[0].FloatData = nil, make([]float32, 5)
	}, "5 entries"},
	"bad tensor in an attribute": {func(m *pb.ModelProto) {
		m.Graph.Node[0].Attribute = append(m.Graph.Node[0].Attribute,
			TensorAttribute("value", &pb.TensorProto{DataType: pb.TensorProto_INT64, Dims: []int64{9}}))
	}, "0 entries"},
	"sparse initializer": {func(m *pb.ModelProto) {
		m.Graph.SparseInitializer = []*pb.SparseTensorProto{{}}
	}, "sparse"},
	"no operator":        {func(m *pb.ModelProto) { m.Graph.Node[1].OpType = "" }, "no operator"},
	"value nobody makes": {func(m *pb.ModelProto) { m.Graph.Node[1].Input[0] = "ghost" }, `"ghost"`},
	"value used before": {func(m *pb.ModelProto) {
		m.Graph.Node[0], m.Graph.Node[1] = m.Graph.Node[1], m.Graph.Node[0]
	}, "nothing before"},
	"a circle":             {func(m *pb.ModelProto) { m.Graph.Node[0].Input[0] = "y" }, "nothing before"},
	"value made twice":     {func(m *pb.ModelProto) { m.Graph.Node[1].Output[0] = "h" }, "made already"},
	"input made by a node": {func(m *pb.ModelProto) { m.Graph.Node[1].Output[0] = "x" }, "made already"},
	"two inputs of one name": {func(m *pb.ModelProto) {
		m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0])
	}, "name of its own"},
	"two tensors of one name": {func(m *pb.ModelProto) {
		m.Graph.Initializer = append(m.Graph.Initializer, m.Graph.Initializer[0])
	}, "name of its own"},
	"output nobody makes": {func(m *pb.ModelProto) { m.Graph.Output[0].Name = "ghost" }, `"ghost"`},
}

func TestBadModelsAreRefused(t *testing.T) {
	for name, c := range badModels {
		t.Run(name, func(t *testing.T) {
			m := tiny()
			c.spoil(m)
			path := filepath.Join(t.TempDir(), "bad.onnx")
			if err := os.WriteFile(path, mustMarshal(t, m), 0o644); err != nil {
				t.Fatal(err)
			}
			if name == "external, in memory" { // a file has a folder to look in
				_, err := Parse(mustMarshal(t, m), path)
				checkRefused(t, err, path, c.word)
				return
			}
			_, err := Load(path)
			checkRefused(t, err, path, c.word)
		})
	}
}

func checkRefused(t *testing.T, err error, path, word string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	if fail.KindOf(err) != fail.Model || fail.HintOf(err) == "" {
		t.Errorf("kind %v and hint %q, want %v and a hint", fail.KindOf(err), fail.HintOf(err), fail.Model)
	}
	for _, want := range []string{path, word} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message %q does not contain %q", err, want)
		}
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sound := mustMarshal(t, tiny())
	for name, c := range map[string]struct {
		data []byte
		word string
	}{
		"empty":     {nil, "empty"},
		"text":      {[]byte("<html>404 not found</html>"), "not an ONNX model"},
		"truncated": {sound[:len(sound)-7], "not an ONNX model"},
	} {
		path := write(name, c.data)
		_, err := Load(path)
		checkRefused(t, err, path, c.word)
	}
	if _, err := Load(filepath.Join(folder, "absent")); fail.KindOf(err) != fail.Usage {
		t.Errorf("a missing file: %v of kind %v, want %v", err, fail.KindOf(err), fail.Usage)
	}
	if _, err := Load(folder); fail.KindOf(err) != fail.Model {
		t.Errorf("a folder: %v", err)
	}
	path := write("large", sound)
	_, err := LoadWith(path, Options{FileBytes: int64(len(sound)) - 1})
	checkRefused(t, err, path, "more than")
	_, err = LoadWith(path, Options{Nodes: 2})
	checkRefused(t, err, path, "3 nodes")
	_, err = LoadWith(path, Options{Tensors: -1})
	checkRefused(t, err, path, "tensors accepted")
}

// A file of two-byte empty nodes would take a hundred times its size decoded.
func TestMemoryBombIsRefused(t *testing.T) {
	graph := make([]byte, 0, 2<<20)
	for range 1 << 20 {
		graph = append(graph, 0x0a, 0x00) // field 1 (node), length 0
	}
	data := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), graph)
	_, err := ParseWith(data, "bomb", Options{Memory: 64 << 20})
	checkRefused(t, err, "bomb", "memory")
	if _, err := ParseWith(data, "bomb", Options{Nodes: 1000}); err == nil {
		t.Error("a million nodes were accepted where a thousand are allowed")
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	m := tiny()
	g := m.Graph
	for range 40 {
		inner := &pb.GraphProto{Name: "inner"}
		g.Node = append(g.Node,
			&pb.NodeProto{OpType: "If", Attribute: []*pb.AttributeProto{GraphAttribute("then_branch", inner)}})
		g = inner
	}
	_, err := Parse(mustMarshal(t, m), "deep")
	checkRefused(t, err, "deep", "deep")
}

// A type can nest without a graph: a sequence of sequences of sequences.
func TestDeepTypesAreRefused(t *testing.T) {
	var inner []byte
	for range 200 {
		sequence := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)
		inner = protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), sequence)
	}
	m := tiny()
	deep := &pb.TypeProto{}
	if err := proto.Unmarshal(inner, deep); err != nil {
		t.Fatal(err)
	}
	m.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: "h", Type: deep}}
	_, err := Parse(mustMarshal(t, m), "deep")
	checkRefused(t, err, "deep", "64 deep")
}

func TestWeightlessAcceptsSkeletonsOnly(t *testing.T) {
	m := tiny()
	m.Graph.Initializer[0].RawData = nil
	data := mustMarshal(t, m)
	if _, err := ParseWith(data, "skeleton", Options{Weightless: true}); err != nil {
		t.Error(err)
	}
	m.Graph.Initializer[0].RawData = make([]byte, 20)
	_, err := ParseWith(mustMarshal(t, m), "skeleton", Options{Weightless: true})
	checkRefused(t, err, "skeleton", "20 bytes")
}

// Typed fields are another way to hold data; each type has its own.
func TestTypedData(t *testing.T) {
	for name, c := range map[string]struct {
		tensor *pb.TensorProto
		ok     bool
	}{
		"float": {&pb.TensorProto{DataType: pb.TensorProto_FLOAT, Dims: []int64{2},
			FloatData: []float32{1, 2}}, true},
		"bool": {&pb.TensorProto{DataType: pb.TensorProto_BOOL, Dims: []int64{2}, Int32Data: []int32{1, 0}},
			true},
		"half": {&pb.TensorProto{DataType: pb.TensorProto_FLOAT16, Dims: []int64{1}, Int32Data: []int32{7}},
			true},
		"int4": {&pb.TensorProto{DataType: pb.TensorProto_INT4, Dims: []int64{3}, Int32Data: []int32{7, 8}},
			true},
		"int4 raw": {&pb.TensorProto{DataType: pb.TensorProto_INT4, Dims: []int64{3}, RawData: []byte{1, 2}}, true},
		"string": {&pb.TensorProto{DataType: pb.TensorProto_STRING, Dims: []int64{1},
			StringData: [][]byte{[]byte("a")}}, true},
		"string raw": {&pb.TensorProto{DataType: pb.TensorProto_STRING, Dims: []int64{1}, RawData: []byte("a")},
			false},
		"scalar":    {&pb.TensorProto{DataType: pb.TensorProto_INT64, Int64Data: []int64{1}}, true},
		"no scalar": {&pb.TensorProto{DataType: pb.TensorProto_INT64}, false},
		"empty":     {&pb.TensorProto{DataType: pb.TensorProto_INT64, Dims: []int64{0, 5}}, true},
		"wrong field": {&pb.TensorProto{DataType: pb.TensorProto_INT64, Dims: []int64{2},
			FloatData: []float32{1, 2}}, false},
		"complex": {&pb.TensorProto{DataType: pb.TensorProto_COMPLEX64, Dims: []int64{1},
			FloatData: []float32{1, 2}}, true},
		"half complex": {&pb.TensorProto{DataType: pb.TensorProto_COMPLEX64, Dims: []int64{1},
			FloatData: []float32{1}}, false},
	} {
		if err := vetTensor(c.tensor, false); (err == nil) != c.ok {
			t.Errorf("%s: error %v, want sound: %v", name, err, c.ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	add := func(m *pb.ModelProto) {
		data, err := Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add(tiny())
	add(withBranch())
	for _, c := range badModels {
		m := tiny()
		c.spoil(m)
		add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *pb.ModelProto
		var err error
		if took := allocated(func() { m, err = Parse(data, "fuzz") }); took > allowed(len(data)) {
			t.Errorf("a file of %d bytes made fx allocate %d (%v)", len(data), took, err)
		}
		if err != nil {
			if fail.KindOf(err) != fail.Model {
				t.Fatalf("kind %v for %v", fail.KindOf(err), err)
			}
			return
		}
		// What passed the vetting can be edited without a panic and stays sound.
		Prune(m.Graph)
		if err := Check(m.Graph); err != nil {
			t.Fatalf("pruning broke the graph: %v", err)
		}
		if err := Sort(m.Graph); err != nil {
			t.Fatalf("a sound graph does not sort: %v", err)
		}
		if err := prefix(m.Graph, "p/"); err != nil {
			t.Fatalf("a prefix: %v", err)
		}
		if err := Check(m.Graph); err != nil {
			t.Fatalf("a prefix broke the graph: %v", err)
		}
		if _, err := Marshal(Clone(m)); err != nil {
			t.Fatal(err)
		}
	})
}
