package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"

	"fx/internal/fail"
	"fx/internal/float16"
	"fx/internal/progress"
	"fx/internal/testenv"
	"fx/internal/weights"
)

// exported extracts p, with views, and exports it in every format.
func exported(t *testing.T, dtype DType) (run, string, *Store) {
	t.Helper()
	p := somePhotos(5)
	p["train/ants/日本, \"quoted\"\n.jpg"] = "odd"
	r := newRun(t, p)
	r.manifest.DType, r.views = dtype, 1
	r.mustDo(t)
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	out := t.TempDir()
	must(t, os.Symlink(r.dir, filepath.Join(out, "store")))
	for format, name := range map[string]string{"csv": "rows.csv", "parquet": "rows.parquet", "npy": "npy",
		"safetensors": "rows.safetensors"} {
		made, err := s.Export(context.Background(), format, filepath.Join(out, name), ExportOptions{})
		must(t, err)
		for _, f := range made {
			if _, err := os.Stat(f); err != nil {
				t.Error(err)
			}
		}
	}
	return r, out, s
}

// TestPythonReadsStoreAndExports is the proof that other people's libraries agree.
func TestPythonReadsStoreAndExports(t *testing.T) {
	python := os.Getenv("FX_PYTHON")
	if python == "" {
		testenv.Lacks(t, testenv.Python,
			"FX_PYTHON names no Python with pyarrow, pandas, polars, numpy and safetensors")
	}
	for _, dtype := range []DType{Float32, Float16} {
		_, out, s := exported(t, dtype)
		var expected [][]any
		for i, r := range s.Rows() {
			expected = append(expected, []any{r.Path, r.SHA256, r.Split, r.Class, r.Label, r.View, s.Embedding(i, nil)})
		}
		text, err := json.Marshal(expected)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(out, "expected.json"), text, 0o644))
		said, err := exec.Command(python, "testdata/read_store.py", out).CombinedOutput()
		if err != nil || strings.Count(string(said), "ok ") != 9 {
			t.Errorf("%s: %v\n%s", dtype, err, said)
		}
	}
}

// TestArrowReadsShards: what this package decodes itself is what arrow-go reads.
func TestArrowReadsShards(t *testing.T) {
	for _, dtype := range []DType{Float32, Float16} {
		l, file := sample(t, dtype)
		rows, at, err := decodeShard(l, file)
		must(t, err)
		r, err := ipc.NewMappedFileReader(file)
		must(t, err)
		if !r.Schema().Equal(l.schema()) || r.NumRecords() != 1 {
			t.Fatalf("schema %v", r.Schema())
		}
		batch, err := r.RecordBatchAt(0)
		must(t, err)
		if int(batch.NumRows()) != len(rows) {
			t.Fatalf("%d rows, arrow-go has %d", len(rows), batch.NumRows())
		}
		text := func(column, i int) string { return batch.Column(column).(*array.String).Value(i) }
		for i, rec := range rows {
			number := func(column int) int32 { return batch.Column(column).(*array.Int32).Value(i) }
			sha, err := parseSHA256(text(1, i))
			must(t, err)
			if want := (record{text(0, i), text(3, i), text(2, i), sha, number(4), number(5)}); rec != want {
				t.Errorf("row %+v, arrow-go has %+v", rec, want)
			}
		}
		raw := batch.Column(6).(*array.FixedSizeList).ListValues().Data().Buffers()[1].Bytes()
		if n := uint64(len(rows) * l.rowBytes); string(raw[:n]) != string(file[at:at+n]) {
			t.Error("embeddings differ from arrow-go's")
		}
	}
}

func TestExportsReadBack(t *testing.T) {
	_, out, s := exported(t, Float32)
	state, _, err := weights.Read(filepath.Join(out, "rows.safetensors"))
	must(t, err)
	features, ok := state.Get("features")
	if !ok || !slices.Equal(features.Shape, []int{len(s.Rows()), 2, 3}) {
		t.Fatalf("features %v", features.Shape)
	}
	values, err := features.Float32s()
	must(t, err)
	for i := range s.Rows() {
		if !slices.Equal(values[6*i:6*i+6], s.Embedding(i, nil)) {
			t.Fatalf("row %d differs", i)
		}
	}
	before, err := os.ReadFile(filepath.Join(out, "npy", "features.npy"))
	must(t, err)
	if len(before)%64 != len(s.Rows())*24%64 || !strings.HasPrefix(string(before),
		"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (32, 2, 3), }") {
		t.Errorf("%q", before[:128])
	}
	for _, format := range formats() { // again: the same bytes
		name := map[string]string{"csv": "rows.csv", "parquet": "rows.parquet", "npy": "npy",
			"safetensors": "rows.safetensors"}[format]
		first := contents(t, filepath.Join(out, name))
		_, err := s.Export(context.Background(), format, filepath.Join(out, name), ExportOptions{})
		must(t, err)
		if contents(t, filepath.Join(out, name)) != first {
			t.Errorf("%s: other bytes the second time", format)
		}
	}
}

// The exported Parquet file read back by its library: names, order and values, and the schema by
// which Arrow's libraries know the list's size.
func TestParquetReadsBack(t *testing.T) {
	t.Run("float32", func(t *testing.T) {
		readParquet(t, Float32, func(v float32) float32 { return v })
	})
	t.Run("float16", func(t *testing.T) {
		readParquet(t, Float16, func(v [2]byte) float32 { return float16.Float32(binary.LittleEndian.Uint16(v[:])) })
	})
}

func readParquet[V float32 | [2]byte](t *testing.T, dtype DType, value func(V) float32) {
	t.Helper()
	_, out, s := exported(t, dtype)
	path := filepath.Join(out, "rows.parquet")
	rows, err := parquet.ReadFile[parquetRow[V]](path)
	must(t, err)
	if len(rows) != len(s.Rows()) {
		t.Fatalf("%d rows of %d", len(rows), len(s.Rows()))
	}
	for i, want := range s.Rows() {
		got := rows[i]
		var values []float32
		for _, v := range got.Embedding {
			values = append(values, value(v))
		}
		if got.Path != want.Path || got.SHA256 != want.SHA256.String() || got.Class != want.Class ||
			got.Split != want.Split ||
			int(got.Label) != want.Label || int(got.View) != want.View || !slices.Equal(values, s.Embedding(i, nil)) {
			t.Errorf("row %d: %+v, want %+v", i, got, want)
		}
	}
	file, err := os.Open(path)
	must(t, err)
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	must(t, err)
	p, err := parquet.OpenFile(file, info.Size())
	must(t, err)
	var columns []string
	for _, c := range p.Schema().Columns() {
		columns = append(columns, strings.Join(c, "."))
	}
	if got := strings.Join(columns, " "); got != "path sha256 class split label view embedding.list.element" {
		t.Errorf("columns %s", got)
	}
	if shape, _ := p.Lookup("fx.feature_shape"); shape != "[2,3]" {
		t.Errorf("fx.feature_shape %q", shape)
	}
	encoded, _ := p.Lookup("ARROW:schema")
	stream, err := base64.StdEncoding.DecodeString(encoded)
	must(t, err)
	r, err := ipc.NewReader(bytes.NewReader(stream))
	must(t, err)
	if got := fmt.Sprint(r.Schema().Field(6)); got != fmt.Sprint(s.layout.schema().Field(6)) {
		t.Errorf("Arrow reads %s", got)
	}
}

// contents joins the files of a path.
func contents(t *testing.T, path string) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(path, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

func TestExportErrors(t *testing.T) {
	r := newRun(t, somePhotos(2))
	r.mustDo(t)
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	ctx := context.Background()
	if _, err := s.Export(ctx, "xlsx", "x", ExportOptions{}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(fail.HintOf(err), "csv, npy, parquet, safetensors") {
		t.Errorf("unknown format: %v, %s", err, fail.HintOf(err))
	}
	split := "test"
	if _, err := s.Export(ctx, "csv", "x", ExportOptions{Split: &split}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(fail.HintOf(err), `"train" "val"`) {
		t.Errorf("unknown split: %v, %s", err, fail.HintOf(err))
	}
	for _, format := range formats() {
		out := filepath.Join(t.TempDir(), "no", "folder")
		if format == "npy" {
			out = filepath.Join(r.dir, "lock", "x")
		}
		if _, err := s.Export(ctx, format, out, ExportOptions{}); fail.KindOf(err) != fail.Usage ||
			fail.HintOf(err) == "" {
			t.Errorf("%s into a folder that is not there: %v of kind %d", format, err, fail.KindOf(err))
		}
		stopped, cancel := context.WithCancel(ctx)
		cancel()
		dir := t.TempDir()
		if _, err := s.Export(stopped, format, filepath.Join(dir, "x"), ExportOptions{}); !errors.Is(err,
			context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
		if format != "npy" {
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%s: left %v", format, left)
			}
		}
	}
	split = "val"
	out := filepath.Join(t.TempDir(), "val.csv")
	if _, err := s.Export(ctx, "CSV", out, ExportOptions{Split: &split}); err != nil ||
		strings.Count(contents(t, out), "\n") != 5 {
		t.Errorf("one split: %v\n%s", err, contents(t, out))
	}
}

func TestInfo(t *testing.T) {
	p := somePhotos(3)
	delete(p, "val/bees/000.jpg")
	r := newRun(t, p)
	r.views = 2
	r.mustDo(t)
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	text, err := json.Marshal(s.Info())
	must(t, err)
	for _, part := range []string{`"rows":23,"photos":11,`, `"finished":true`, `"rows_by_split":{"train":18,"val":5}`,
		`"rows_by_view":{"0":11,"1":6,"2":6}`,
		`"photos_by_class":[{"split":"train","class":"ants","photos":3},{"split":"train","class":"bees","photos":3},` +
			`{"split":"val","class":"ants","photos":3},{"split":"val","class":"bees","photos":2}]`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s lacks %s", text, part)
		}
	}
}
