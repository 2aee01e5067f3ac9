package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"fx/internal/fail"
	"fx/internal/source"
)

// huggingFace is what datasets write about a column image and a ClassLabel.
const huggingFace = `{"info":{"features":{"image":{"_type":"Image"},` +
	`"fine":{"_type":"ClassLabel","names":["ants","bees"]},"label":{"dtype":"string","_type":"Value"}}}}`

type image struct {
	Bytes []byte  `parquet:"bytes,optional"`
	Path  *string `parquet:"path,optional"`
}

type sample struct {
	Other []byte `parquet:"other"`
	Image image  `parquet:"image,optional"`
	Fine  int64  `parquet:"fine"`
	Label string `parquet:"label"`
}

// photoIn is the photo in a row of the tests: rows have different lengths.
func photoIn(row int) string { return strings.Repeat(fmt.Sprintf("photo %d ", row), row%17+1) }

func parquetOf(t testing.TB, rows int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[sample](&b, append(options, parquet.KeyValueMetadata("huggingface", huggingFace))...)
	for row := range rows {
		s := sample{Fine: int64(row%3 - 1), Label: "unused", Other: []byte("other")}
		s.Image.Bytes = []byte(photoIn(row))
		if row == 7 {
			s.Image.Bytes = nil
		}
		_, err := w.Write([]sample{s})
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func arrowOf(t testing.TB, rows, batch int, file bool, options ...ipc.Option) []byte {
	t.Helper()
	metadata := arrow.NewMetadata([]string{"huggingface"}, []string{huggingFace})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "image", Type: arrow.StructOf(arrow.Field{Name: "bytes", Type: arrow.BinaryTypes.Binary, Nullable: true},
			arrow.Field{Name: "path", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
		{Name: "fine", Type: arrow.PrimitiveTypes.Int64},
	}, &metadata)
	var b bytes.Buffer
	options = append(options, ipc.WithSchema(schema))
	var write func(arrow.RecordBatch) error
	var closeAll func() error
	if file {
		w, err := ipc.NewFileWriter(&b, options...)
		must(t, err)
		write, closeAll = w.Write, w.Close
	} else {
		w := ipc.NewWriter(&b, options...)
		write, closeAll = w.Write, w.Close
	}
	for start := 0; start < rows; start += batch {
		r := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		s := r.Field(0).(*array.StructBuilder)
		for row := start; row < min(rows, start+batch); row++ {
			s.Append(true)
			if row == 7 {
				s.FieldBuilder(0).AppendNull()
			} else {
				s.FieldBuilder(0).(*array.BinaryBuilder).Append([]byte(photoIn(row)))
			}
			s.FieldBuilder(1).AppendNull()
			r.Field(1).(*array.Int64Builder).Append(int64(row%3 - 1))
		}
		must(t, write(r.NewRecordBatch()))
	}
	must(t, closeAll())
	return b.Bytes()
}

func TestRowsOfTables(t *testing.T) {
	const rows = 300
	for name, content := range map[string][]byte{
		"plain.parquet":  parquetOf(t, rows),
		"groups.parquet": parquetOf(t, rows, parquet.MaxRowsPerRowGroup(70), parquet.PageBufferSize(200)),
		"packed.parquet": parquetOf(t, rows, parquet.Compression(&parquet.Zstd), parquet.PageBufferSize(500)),
		"stream.arrow":   arrowOf(t, rows, 64, false),
		"file.arrow":     arrowOf(t, rows, rows, true),
	} {
		path := write(t, name, content)
		members, err := list(path)
		if err != nil || len(members) != rows {
			t.Fatalf("%s: %d rows, %v", name, len(members), err)
		}
		check := func(row int) {
			m := members[row]
			want := []string{"", "ants", "bees"}[row%3]
			if m.Label != want || !m.Row || !strings.HasSuffix(m.Name, fmt.Sprint(row)) {
				t.Errorf("%s: row %d: %+v", name, row, m)
			}
			if m.At == nil {
				if row != 7 || m.Refused == "" {
					t.Errorf("%s: row %d: %+v", name, row, m)
				}
				return
			}
			data, err := read(m.At)
			var bad *source.Damaged
			if row == 7 && !errors.As(err, &bad) || row != 7 && (err != nil || string(data) != photoIn(row)) {
				t.Errorf("%s: row %d: %q, %v", name, row, data, err)
			}
		}
		for row := range rows {
			check(row)
		}
		for _, row := range []int{299, 0, 150, 149, 151, 69, 70, 7, 8} {
			check(row)
		}
		var group sync.WaitGroup
		for start := range 8 { // as workers do, each a batch at a time
			group.Go(func() {
				for batch := start * 16; batch < rows; batch += 8 * 16 {
					for row := batch; row < min(batch+16, rows); row++ {
						check(row)
					}
				}
			})
		}
		group.Wait()
		must(t, os.WriteFile(path, append(content, 0), 0o600))
		if _, err := read(members[3].At); fail.KindOf(err) != fail.Rejected {
			t.Errorf("%s: a file that changed: %v", name, err)
		}
	}
}

func TestDamagedTables(t *testing.T) {
	whole, stream := parquetOf(t, 100), arrowOf(t, 100, 10, false)
	for name, c := range map[string]struct {
		content []byte
		want    fail.Kind
	}{
		"cut.parquet":     {whole[:len(whole)-20], fail.Rejected},
		"none.parquet":    {[]byte("PAR1 but no parquet file"), fail.Rejected},
		"empty.parquet":   {[]byte{}, fail.Rejected},
		"cut.arrow":       {stream[:len(stream)/2], fail.Rejected},
		"none.arrow":      {[]byte("no Arrow file, whatever it is"), fail.Rejected},
		"packed.arrow":    {arrowOf(t, 100, 10, false, ipc.WithZstd()), fail.Usage},
		"empty.arrow":     {[]byte{}, fail.Rejected},
		"numbers.parquet": {numbersOnly(t), fail.Usage},
	} {
		path := write(t, name, c.content)
		_, err := list(path)
		if fail.KindOf(err) != c.want || !strings.Contains(err.Error(), path) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := bytes.Clone(whole)
	for i := 100; i < 1500; i++ { // in the pages
		bad[i] ^= 0x55
	}
	members, err := list(write(t, "bad.parquet", bad))
	if err != nil {
		if fail.KindOf(err) != fail.Rejected {
			t.Errorf("%v", err)
		}
		return
	}
	for _, m := range members {
		var damaged *source.Damaged
		if _, err := read(m.At); err != nil && !errors.As(err, &damaged) {
			t.Errorf("%v", err)
		}
	}
}

// A damaged length in the metadata of an Arrow file costs no memory: arrow-go would allocate whatever it says.
func TestFlippedBitsOfAnArrowFile(t *testing.T) {
	whole := arrowOf(t, 2, 2, false)
	for i := range min(len(whole), 2000) { // the schema, and the metadata of the batch
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			_, err := list(write(t, "a.arrow", damaged))
			if kind := fail.KindOf(err); err != nil && kind != fail.Rejected && kind != fail.Usage {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
}

func numbersOnly(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct{ A, B int64 }](&b)
	_, err := w.Write([]struct{ A, B int64 }{{1, 2}})
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

func FuzzTables(f *testing.F) {
	f.Add(true, parquetOf(f, 20))
	f.Add(false, arrowOf(f, 20, 5, false))
	f.Add(false, arrowOf(f, 20, 20, true))
	f.Fuzz(func(t *testing.T, isParquet bool, content []byte) {
		path := write(t, map[bool]string{true: "a.parquet", false: "a.arrow"}[isParquet], content)
		members, err := list(path)
		if kind := fail.KindOf(err); err != nil && kind != fail.Rejected && kind != fail.Usage {
			t.Fatalf("%v", err)
		}
		for _, m := range members {
			if m.At == nil || m.Size > 1<<20 {
				continue
			}
			var bad *source.Damaged
			if _, err := read(m.At); err != nil && !errors.As(err, &bad) && fail.KindOf(err) != fail.Rejected {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
	})
}

func TestCompare(t *testing.T) {
	members, err := list(write(t, "a.parquet", parquetOf(t, 30)))
	must(t, err)
	shuffled := []source.Member{members[20], members[3], members[29], members[0]}
	slices.SortFunc(shuffled, func(a, b source.Member) int { return source.Compare(a.At, b.At) })
	for i, row := range []int{0, 3, 20, 29} {
		if shuffled[i].Name != members[row].Name {
			t.Errorf("place %d has row %s", i, shuffled[i].Name)
		}
	}
	file := source.File("x")
	if source.Compare(file, source.File("a")) != 0 || source.Compare(members[1].At, members[1].At) != 0 {
		t.Error("sources that have no order are ordered")
	}
}
