package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"fx/backbones"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
	"fx/internal/store"
	"fx/internal/weights"
)

// small is a network that is small at 64 pixels.
func small(workers int) extract.EmbedderOptions {
	return extract.EmbedderOptions{
		Environment: environment.Environment{Device: ort.CPU, Workers: workers},
		Network: backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 64,
			Crop: 64},
	}
}

// noise returns a PNG.
func noise(t testing.TB, number int) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 40, 32))
	s := random.New(uint64(number), "noise")
	for i := range picture.Pix {
		picture.Pix[i] = uint8(s.Uint32()) | 255*uint8((i%4)/3)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cell is a photo of a test's input, nil for null, with its key.
type cell struct {
	key   int64
	bytes []byte
	path  string
}

// record returns a record batch of the schema's kind.
func record(schema *arrow.Schema, cells []cell) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	addBytes := func(to array.Builder, data []byte) {
		if data == nil {
			to.AppendNull()
		} else {
			to.(array.BinaryLikeBuilder).Append(data)
		}
	}
	addText := func(to array.Builder, path string) {
		if path == "" {
			to.AppendNull()
		} else {
			to.(array.StringLikeBuilder).Append(path)
		}
	}
	for _, c := range cells {
		for i, f := range schema.Fields() {
			switch to := b.Field(i); f.Name {
			case "key":
				to.(*array.Int64Builder).Append(c.key)
			case "bytes":
				addBytes(to, c.bytes)
			case "path":
				addText(to, c.path)
			case "image":
				s := to.(*array.StructBuilder)
				if c.bytes == nil && c.path == "" {
					s.AppendNull()
					continue
				}
				s.Append(true)
				addBytes(s.FieldBuilder(0), c.bytes)
				addText(s.FieldBuilder(1), c.path)
			}
		}
	}
	return b.NewRecordBatch()
}

func column(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

var (
	text        = arrow.BinaryTypes.String
	binaryType  = arrow.BinaryTypes.Binary
	largeBinary = arrow.BinaryTypes.LargeBinary
	binaryView  = arrow.BinaryTypes.BinaryView
	imageColumn = column("image", arrow.StructOf(column("bytes", binaryType), column("path", text)))
)

func schemaOf(fields ...arrow.Field) *arrow.Schema {
	return arrow.NewSchema(append([]arrow.Field{column("key", arrow.PrimitiveTypes.Int64)}, fields...), nil)
}

var withBytes = schemaOf(column("bytes", binaryType))

// arrowStream returns a stream of batches.
func arrowStream(t testing.TB, schema *arrow.Schema, batches ...[]cell) []byte {
	t.Helper()
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	for _, cells := range batches {
		if err := w.Write(record(schema, cells)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// answer is a row of the output.
type answer struct {
	key, path, sha256, err string
	embedding              []float32
}

// answersIn returns the rows of a record batch.
func answersIn(t testing.TB, r arrow.RecordBatch) (all []answer) {
	t.Helper()
	columnOf := func(name string) arrow.Array {
		if i := r.Schema().FieldIndices(name); len(i) == 1 {
			return r.Column(i[0])
		}
		return nil
	}
	textOf := func(name string, i int) string {
		if c := columnOf(name); c != nil && c.IsValid(i) {
			return c.ValueStr(i)
		}
		return ""
	}
	embedding := columnOf("embedding").(*array.FixedSizeList)
	n := int(embedding.DataType().(*arrow.FixedSizeListType).Len())
	values := embedding.ListValues().(*array.Float32)
	for i := range int(r.NumRows()) {
		a := answer{key: textOf("key", i), path: textOf("path", i), sha256: textOf("sha256", i)}
		a.err = textOf("error", i)
		if embedding.IsValid(i) {
			a.embedding = slices.Clone(values.Float32Values()[i*n : (i+1)*n])
		}
		if (a.err == "") != embedding.IsValid(i) || (a.sha256 != "") != embedding.IsValid(i) || values.NullN() > 0 {
			t.Errorf("row %d has error %q, SHA-256 %q, embedding %v", i, a.err, a.sha256, embedding.IsValid(i))
		}
		all = append(all, a)
	}
	return all
}

// answersTo runs a worker over the input and returns the batches of its output, which must be a complete stream.
func answersTo(t testing.TB, o extract.EmbedderOptions, in io.Reader) ([][]answer, Summary, error) {
	t.Helper()
	var out bytes.Buffer
	summary, err := Run(t.Context(), Options{Embedder: o}, in, &out, progress.Discard)
	if out.Len() == 0 {
		return nil, summary, err
	}
	if !bytes.HasSuffix(out.Bytes(), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}) {
		t.Error("the output does not end as a stream does")
	}
	r, problem := ipc.NewReader(&out)
	if problem != nil {
		t.Fatal(problem)
	}
	var all [][]answer
	for r.Next() {
		all = append(all, answersIn(t, r.RecordBatch()))
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return all, summary, err
}

// Answers have the bits and hashes of the store of `fx extract`, in order, whatever the form of the input, the size of
// its batches and the number of workers.
func TestAnswersAreThoseOfExtract(t *testing.T) {
	orttest.Library(t)
	const n = 30
	dir := t.TempDir()
	cells := make([]cell, n)
	var list strings.Builder
	for i := range cells {
		class := string('a' + rune(i/20))
		cells[i] = cell{int64(100 + i), noise(t, i), filepath.Join(dir, "photos", class, fmt.Sprintf("%02d.png", i))}
		err := errors.Join(os.MkdirAll(filepath.Dir(cells[i].path), 0o755),
			os.WriteFile(cells[i].path, cells[i].bytes, 0o644))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "{\"path\": %q, \"key\": \"%d\"}\n", cells[i].path, cells[i].key)
	}
	o := extract.Options{Embedder: small(2), Data: filepath.Join(dir, "photos"), Store: filepath.Join(dir, "store")}
	if _, err := extract.Run(t.Context(), o, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), o.Store, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	byteless := slices.Clone(cells)
	for i := range byteless {
		byteless[i].bytes = nil
	}
	for name, in := range map[string]struct {
		workers int
		input   []byte
	}{
		"bytes, one batch":    {1, arrowStream(t, withBytes, cells)},
		"bytes, single rows":  {3, arrowStream(t, withBytes, slices.Collect(slices.Chunk(cells, 1))...)},
		"large bytes, three":  {7, arrowStream(t, schemaOf(column("bytes", largeBinary)), cells[:4], nil, cells[4:])},
		"image":               {3, arrowStream(t, schemaOf(imageColumn), cells[:11], cells[11:])},
		"image without bytes": {3, arrowStream(t, schemaOf(imageColumn), byteless)},
		"path":                {3, arrowStream(t, schemaOf(column("path", text)), cells)},
		"bytes beside the path": {2, arrowStream(t, schemaOf(column("path", text), column("bytes", binaryView)),
			cells)},
		"lines": {3, []byte(list.String())},
	} {
		batches, summary, err := answersTo(t, small(in.workers), bytes.NewReader(in.input))
		all := slices.Concat(batches...)
		if err != nil || len(all) != n || summary != (Summary{Rows: n}) {
			t.Fatalf("%s: %d rows, %+v, %v", name, len(all), summary, err)
		}
		for i, row := range s.Rows() {
			want := answer{key: fmt.Sprint(100 + i), sha256: row.SHA256.String(), embedding: s.Embedding(i, nil)}
			if strings.Contains(name, "path") || name == "lines" {
				want.path = cells[i].path
			}
			if got := all[i]; fmt.Sprint(got.key, got.path, got.sha256, got.err) != fmt.Sprint(want.key, want.path,
				want.sha256, "") || !sameBits(got.embedding, want.embedding) {
				t.Errorf("%s: row %d is %s %s %s %q, or has other features", name, i, got.key, got.path, got.sha256,
					got.err)
			}
		}
	}
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// No photo ends the worker: each has its reason, and its neighbours their embeddings. Output batches are those of the
// input.
func TestAPhotoThatCantBeUsedHasAnError(t *testing.T) {
	orttest.Library(t)
	good := noise(t, 1)
	o := small(2)
	o.DecodeMemory = 1 << 20
	large := image.NewRGBA(image.Rect(0, 0, 1000, 1000))
	var b bytes.Buffer
	if err := png.Encode(&b, large); err != nil {
		t.Fatal(err)
	}
	wide := b.Bytes()
	batches, summary, err := answersTo(t, o, bytes.NewReader(arrowStream(t, schemaOf(imageColumn),
		[]cell{{bytes: good}, {bytes: []byte("no photo")}, {bytes: []byte{}}},
		nil,
		[]cell{{}, {path: "missing.png"}, {path: t.TempDir()}, {bytes: good[:len(good)/2]}},
		[]cell{{bytes: wide}, {bytes: good}})))
	if err != nil || summary != (Summary{9, 7}) {
		t.Fatalf("%+v, %v", summary, err)
	}
	want := [][]string{
		{"", "not an image", "empty file"}, nil,
		{"column image is null", "no such file", "not a regular file", "not enough pixel data"},
		{"row 0 of batch 3, a photo of 1000×1000 pixels, needs", ""},
	}
	if len(batches) != len(want) {
		t.Fatalf("%d batches", len(batches))
	}
	for i := range want {
		if len(batches[i]) != len(want[i]) {
			t.Fatalf("batch %d has %d rows", i, len(batches[i]))
		}
		for k, a := range batches[i] {
			if !strings.Contains(a.err, want[i][k]) || want[i][k] == "" && a.err != "" {
				t.Errorf("row %d of batch %d: error %q, want %q", k, i, a.err, want[i][k])
			}
		}
	}
}

// Photos with NaN as features have an error: they would spoil whatever is computed of them.
func TestFeaturesThatAreNotFinite(t *testing.T) {
	o := newOutput(io.Discard, nil, &extract.Embedder{})
	o.add(extract.Embedding{Features: []float32{1, float32(math.NaN())}})
	o.add(extract.Embedding{Features: []float32{float32(math.Inf(1)), 1}})
	got := o.errors.NewStringArray()
	if got.Value(0) != "value 1 of the embedding is NaN" || got.Value(1) != "value 0 of the embedding is +Inf" {
		t.Error(got)
	}
}

// started is a worker whose input and output are pipes.
type started struct {
	in     *io.PipeWriter
	writer *ipc.Writer
	out    *io.PipeReader
	end    context.CancelFunc
	ended  chan error
}

func start(t *testing.T, o extract.EmbedderOptions) *started {
	t.Helper()
	in, to := io.Pipe()
	from, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{in: to, out: from, end: cancel, ended: make(chan error, 1)}
	s.writer = ipc.NewWriter(to, ipc.WithSchema(withBytes))
	t.Cleanup(func() { cancel(); _ = to.Close(); _ = from.Close() })
	go func() {
		_, err := Run(ctx, Options{Embedder: o}, in, out, progress.Discard)
		_ = out.Close()
		s.ended <- err
	}()
	return s
}

// next returns the next batch of answers.
func next(t *testing.T, r *ipc.Reader) []answer {
	t.Helper()
	if !r.Next() {
		t.Fatalf("no answer: %v", r.Err())
	}
	return answersIn(t, r.RecordBatch())
}

// A batch is answered although no other follows: the worker does not wait until the network's batch is full.
func TestABatchIsAnsweredWithoutMoreInput(t *testing.T) {
	orttest.Library(t)
	s := start(t, small(2))
	var r *ipc.Reader
	for i, n := range []int{3, 0, 1, 0, 11} {
		cells := make([]cell, n)
		for k := range cells {
			cells[k] = cell{key: int64(k), bytes: noise(t, k)}
		}
		if err := s.writer.Write(record(withBytes, cells)); err != nil {
			t.Fatal(err)
		}
		if r == nil {
			var err error
			if r, err = ipc.NewReader(s.out); err != nil {
				t.Fatal(err)
			}
		}
		if got := next(t, r); len(got) != n {
			t.Fatalf("batch %d of %d rows has %d answers", i, n, len(got))
		}
	}
	s.in.Close() // without the mark of the end, which a stream need not have
	if r.Next() || r.Err() != nil {
		t.Error(r.Err())
	}
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
}

// While nobody reads the answers, a worker reads no more than the rows that it needs to be busy.
func TestASlowReaderStopsTheReading(t *testing.T) {
	orttest.Library(t)
	s := start(t, small(2))
	photo := noise(t, 1)
	const batch = 8
	cells := slices.Repeat([]cell{{bytes: photo}}, batch)
	var sent atomic.Int64
	go func() {
		for s.writer.Write(record(withBytes, cells)) == nil {
			sent.Add(batch)
		}
	}()
	// 2 workers × 2 batches of 8 rows, twice; the batch in whose writing it hangs, and one that is half read.
	const most = 2*2*2*8 + 2*batch
	last := int64(-1)
	for last != sent.Load() || last == 0 { // until it is at rest
		last = sent.Load()
		time.Sleep(500 * time.Millisecond)
	}
	if last > most {
		t.Errorf("%d rows were read while none was answered, %d may be", last, most)
	}
	r, err := ipc.NewReader(s.out)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		next(t, r)
	}
	if sent.Load() < last+10*batch {
		t.Errorf("%d rows were read after 20 batches were answered, %d before", sent.Load(), last)
	}
}

// The end of ctx, such as by SIGTERM, ends the reading: what was read is answered, and the output is complete.
func TestTheEndOfReading(t *testing.T) {
	orttest.Library(t)
	s := start(t, small(2))
	const batches, rows = 3, 8
	go func() {
		for range batches {
			_ = s.writer.Write(record(withBytes, slices.Repeat([]cell{{bytes: noise(t, 1)}}, rows)))
		}
	}()
	r, err := ipc.NewReader(s.out) // after the first answer
	if err != nil {
		t.Fatal(err)
	}
	n := len(next(t, r))
	for range batches - 1 {
		n += len(next(t, r))
	}
	s.end()
	if r.Next() || r.Err() != nil {
		t.Error("an answer without a question, or no end: ", r.Err())
	}
	if err := <-s.ended; err != nil || n != batches*rows {
		t.Errorf("%d rows, %v", n, err)
	}
}

// The rows before a damage are answered, and the error names its place.
func TestDamagedInput(t *testing.T) {
	orttest.Library(t)
	photo := noise(t, 1)
	one := []cell{{bytes: photo}, {bytes: photo}}
	whole := arrowStream(t, withBytes, one, one, one)
	alone := len(arrowStream(t, withBytes, one, one)) - 8 // without the mark of the end
	path := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(path, photo, 0o644); err != nil {
		t.Fatal(err)
	}
	good := fmt.Sprintf("{\"path\": %q}\n", path)
	zeros := bytes.Clone(whole)
	clear(zeros[alone+8 : alone+200])
	for name, c := range map[string]struct {
		input string
		rows  int
		kind  fail.Kind
		says  string
	}{
		"cut in a batch":       {string(whole[:alone+300]), 4, fail.Rejected, "damaged in batch 2"},
		"cut in a header":      {string(whole[:alone+5]), 4, fail.Rejected, "damaged in batch 2"},
		"cut between batches":  {string(whole[:alone]), 4, 0, ""},
		"overwritten":          {string(zeros), 4, fail.Rejected, "damaged in batch 2"},
		"cut in the schema":    {string(whole[:20]), 0, fail.Rejected, "damaged in the schema"},
		"nothing":              {"", 0, 0, ""},
		"text":                 {"hello", 0, fail.Usage, `it begins with "h"`},
		"an Arrow file":        {"ARROW1\x00\x00", 0, fail.Usage, "perhaps an Arrow file"},
		"a line without JSON":  {good + "\n" + good + "{\"path\n" + good, 2, fail.Rejected, "damaged in line 4"},
		"a cut line":           {good + good[:9], 1, fail.Rejected, "damaged in line 2"},
		"a line with a typo":   {good + `{"paht": "a"}`, 1, fail.Rejected, `unknown field "paht"`},
		"a line without path":  {good + `{"key": 1}`, 2, 0, ""},
		"a line with a list":   {good + `{"path": "a", "key": []}`, 1, fail.Rejected, "neither a string nor a number"},
		"two values in a line": {good + `{"path": "a"} {"path": "b"}`, 1, fail.Rejected, "more than one JSON value"},
		"an endless line": {good + `{"path": "` + strings.Repeat("a", maxLine), 1, fail.Rejected,
			"is longer than"},
	} {
		batches, _, err := answersTo(t, small(2), strings.NewReader(c.input))
		if rows := len(slices.Concat(batches...)); rows != c.rows {
			t.Errorf("%s: %d rows, want %d", name, rows, c.rows)
		}
		switch {
		case c.kind == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.kind != 0 && (err == nil || fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Columns that contain no photos, and those that the answers need for themselves, are refused.
func TestColumns(t *testing.T) {
	for says, fields := range map[string][]arrow.Field{
		"none of the input's columns contains photos: key, photo": {column("photo", binaryType)},
		"column bytes has the type utf8":                          {column("bytes", text)},
		"column path has the type binary":                         {column("path", binaryType)},
		"column image has the type struct<bytes: utf8 nullable>": {
			column("image", arrow.StructOf(column("bytes", text)))},
		"has a column error": {column("bytes", binaryType), column("error", text)},
	} {
		_, err := openInput(bytes.NewReader(arrowStream(t, schemaOf(fields...))))
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// The memory is that of the batches in flight, however long the stream is. FX_WORKER_STREAM_MB sets its length.
func TestMemoryIsFlat(t *testing.T) {
	orttest.Library(t)
	megabytes := 600
	if text := os.Getenv("FX_WORKER_STREAM_MB"); text != "" {
		if _, err := fmt.Sscan(text, &megabytes); err != nil {
			t.Fatal(err)
		}
	}
	photo := append(noise(t, 1), make([]byte, 1<<20-5000)...) // a photo with a tail that no decoder minds
	batch := record(withBytes, slices.Repeat([]cell{{bytes: photo}}, 8))
	in, to := io.Pipe()
	go func() {
		w := ipc.NewWriter(to, ipc.WithSchema(withBytes))
		for range megabytes / 8 {
			_ = w.Write(batch)
		}
		_ = w.Close()
		_ = to.Close()
	}()
	var most uint64
	batches := 0
	out := writerFunc(func(p []byte) (int, error) {
		if batches++; batches%8 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
		return len(p), nil
	})
	o := small(2)
	o.DecodeMemory = 64 << 20
	summary, err := Run(t.Context(), Options{Embedder: o}, in, out, progress.Discard)
	if err != nil || summary.Rows != int64(megabytes/8*8) || summary.Errors > 0 {
		t.Fatalf("%+v, %v", summary, err)
	}
	t.Logf("%d MB of photos with at most %d MB in Go's heap", megabytes, most>>20)
	if most > 500<<20 {
		t.Errorf("%d MB of photos took %d MB of memory", megabytes, most>>20)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// An output that can't be written to ends the worker.
func TestABrokenOutput(t *testing.T) {
	orttest.Library(t)
	broken := errors.New("broken")
	_, err := Run(t.Context(), Options{Embedder: small(2)},
		bytes.NewReader(arrowStream(t, withBytes, []cell{{bytes: noise(t, 1)}})),
		writerFunc(func([]byte) (int, error) { return 0, broken }), progress.Discard)
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// No input does more than end with an error, and what is read of it can be written.
func FuzzInput(f *testing.F) {
	f.Add(arrowStream(f, withBytes, []cell{{bytes: []byte("a")}, {}}, nil, []cell{{bytes: []byte("bcd")}}))
	f.Add(arrowStream(f, schemaOf(imageColumn), []cell{{path: "a"}, {}}))
	f.Add(arrowStream(f, schemaOf(column("path", text)), []cell{{path: "a"}, {path: "bc"}}))
	f.Add([]byte(`{"path": "a", "key": 1}` + "\n" + `{"path": "b"}`))
	f.Fuzz(readInput)
}

// The same for every bit of a stream that is flipped.
func TestFlippedBits(t *testing.T) {
	for _, whole := range [][]byte{
		arrowStream(t, withBytes, []cell{{bytes: []byte("a")}, {}}, []cell{{bytes: []byte("bcd")}}),
		arrowStream(t, schemaOf(imageColumn, column("path", text)), []cell{{path: "a"}, {}}),
	} {
		for i := range whole {
			for bit := range 8 {
				damaged := bytes.Clone(whole)
				damaged[i] ^= 1 << bit
				readInput(t, damaged)
			}
		}
	}
}

// readInput reads an input to its end or to an error, and writes the columns that are sent back.
func readInput(t *testing.T, data []byte) {
	in, err := openInput(bytes.NewReader(data))
	if err != nil {
		return
	}
	o := newOutput(io.Discard, in.columns(), &extract.Embedder{})
	for {
		b, err := in.read()
		if err != nil {
			return
		}
		for _, c := range b.kept {
			if c.Len() != len(b.photos) {
				t.Fatalf("%d rows, and a column of %d", len(b.photos), c.Len())
			}
		}
		for range b.photos {
			o.add(extract.Embedding{Reason: "no photo"})
		}
		if err := o.write(b); err != nil {
			return
		}
	}
}
