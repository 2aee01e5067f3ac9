package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/float16"
	"fx/internal/progress"
	"fx/internal/random"
)

// sample is the layout and the bytes of a small shard.
func sample(t testing.TB, dtype DType) (layout, []byte) {
	t.Helper()
	m := testManifest()
	m.DType = dtype
	l := m.layout()
	rows := []record{
		{path: "train/ants/a.jpg", split: "train", class: "ants", sha: sha256.Sum256([]byte("a")), label: 0, view: 0},
		{path: "train/ants/a.jpg", split: "train", class: "ants", sha: sha256.Sum256([]byte("a")), label: 0, view: 1},
		{path: "val/bees/日本.jpg", split: "val", class: "bees", sha: sha256.Sum256([]byte("b")), label: 1, view: 0},
	}
	embeddings := make([]byte, len(rows)*l.rowBytes)
	for i := range len(embeddings) / dtype.bytes() {
		if dtype == Float16 {
			binary.LittleEndian.PutUint16(embeddings[2*i:], float16.Bits(float32(i)/8))
		} else {
			copy(embeddings[4*i:], asBytes([]float32{float32(i) / 8}))
		}
	}
	var made bytes.Buffer
	err := encodeShard(l, rows, embeddings, &made)
	file := made.Bytes()
	must(t, err)
	return l, file
}

// TestShardBytesNeverChange pins the format: other bytes for the same rows
// would make every store look changed. A new version of arrow-go that writes
// others needs a new FormatVersion.
func TestShardBytesNeverChange(t *testing.T) {
	for dtype, want := range map[DType]string{
		Float32: "eaf5c9e383f7e78667596b584f1854381540d490474ecdba88bdae97142dbcaa",
		Float16: "0d4624e37c5246278ba043d71caad27284de54f2df9fde261801242ceae95601",
	} {
		_, file := sample(t, dtype)
		_, again := sample(t, dtype)
		sum := sha256.Sum256(file)
		if got := hex.EncodeToString(sum[:]); got != want || string(file) != string(again) {
			t.Errorf("%s: %s, want %s", dtype, got, want)
		}
	}
}

// storeOf writes a store of one shard file.
func storeOf(t testing.TB, dtype DType, file []byte) string {
	t.Helper()
	dir := t.TempDir()
	m := testManifest()
	m.DType, m.Views = dtype, 1
	text, err := m.encode()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, manifestFile), text, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "shard-00000.arrow"), file, 0o644))
	return dir
}

// TestEveryFlippedBitIsFound flips one bit of every byte of a shard. Verify
// must see each; Open must see all but those of the embeddings, and
// read the rest as it was.
func TestEveryFlippedBitIsFound(t *testing.T) {
	l, file := sample(t, Float32)
	s, err := checkHead(file)
	must(t, err)
	dir := storeOf(t, Float32, file)
	path := filepath.Join(dir, "shard-00000.arrow")
	if report, err := Verify(context.Background(), dir, progress.Discard); err != nil || report.Rows != 3 ||
		report.Shards != 1 {
		t.Fatalf("whole: %+v, %v", report, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer func() { _ = f.Close() }()
	bits := random.New(1, "bits")
	for i := range file {
		flipped := file[i] ^ 1<<bits.IntN(8)
		_, err := f.WriteAt([]byte{flipped}, int64(i))
		must(t, err)
		report, err := Verify(context.Background(), dir, progress.Discard)
		if fail.KindOf(err) != fail.Store || len(report.Problems) != 1 ||
			report.Problems[0].File != "shard-00000.arrow" {
			t.Fatalf("byte %d of %d: verify says %v", i, len(file), err)
		}
		inside := uint64(i) >= s.offset && uint64(i) < s.offset+s.length
		if _, err := openShardFile(dir, "shard-00000.arrow", l); (err == nil) != inside {
			t.Fatalf("byte %d of %d: open says %v", i, len(file), err)
		}
		_, err = f.WriteAt(file[i:i+1], int64(i))
		must(t, err)
	}
}

func TestEveryCutIsFound(t *testing.T) {
	l, file := sample(t, Float16)
	for n := range file {
		if _, err := checkHead(file[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes: not seen", n, len(file))
		}
		if rows, _, err := decodeShard(l, file[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes: %d rows", n, len(file), len(rows))
		}
	}
	dir := storeOf(t, Float16, file[:len(file)/2])
	if _, err := Open(context.Background(), dir, progress.Discard); fail.KindOf(err) != fail.Store ||
		!strings.Contains(err.Error(), "shard-00000.arrow") || fail.HintOf(err) == "" {
		t.Errorf("open: %v", err)
	}
}

// TestDamagedStructureNeverPanics goes behind the checksum: bytes that carry a
// right seal and a wrong structure, as only a bug or malice makes them.
func TestDamagedStructureNeverPanics(t *testing.T) {
	for _, dtype := range []DType{Float32, Float16} {
		l, file := sample(t, dtype)
		s := random.New(2, "structure")
		for range 20000 {
			tryDecode(t, l, mutate(s, file))
		}
	}
}

// mutate changes a few bytes, mostly where the structure lies.
func mutate(s *random.Stream, file []byte) []byte {
	bad := append([]byte(nil), file...)
	for range 1 + s.IntN(4) {
		at := s.IntN(len(bad) - 8)
		switch s.IntN(4) {
		case 0:
			bad[at] ^= 1 << s.IntN(8)
		case 1:
			bad[at] = byte(s.Uint32())
		case 2:
			binary.LittleEndian.PutUint32(bad[at&^3:], s.Uint32())
		case 3:
			binary.LittleEndian.PutUint64(bad[at&^7:], uint64(s.IntN(len(bad)+64)))
		}
	}
	return bad
}

// tryDecode demands an error or rows that can be read whole.
func tryDecode(t *testing.T, l layout, bad []byte) {
	t.Helper()
	exact := make([]byte, len(bad)) // nothing behind the end, so that a read beyond it is seen
	copy(exact, bad)
	rows, at, err := decodeShard(l, exact)
	if err != nil {
		return
	}
	values := exact[at : at+uint64(len(rows)*l.rowBytes)]
	n := 0
	for i := range rows {
		n += len(rows[i].path) + len(rows[i].class) + len(rows[i].split)
	}
	for _, b := range values {
		n += int(b)
	}
	if len(rows) > len(bad) {
		t.Errorf("%d rows in %d bytes (%d)", len(rows), len(bad), n)
	}
}

// FuzzOpenShard does to bytes of any content what opening a shard does.
func FuzzOpenShard(f *testing.F) {
	l, file := sample(f, Float32)
	f.Add(file)
	f.Add(file[:len(file)-1])
	f.Add([]byte("ARROW1"))
	f.Add([]byte{})
	s := random.New(3, "seeds")
	for range 20 {
		f.Add(mutate(s, file))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = checkHead(content)
		tryDecode(t, l, content)
		runtime.ReadMemStats(&after)
		if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+100*len(content)); took > limit {
			t.Errorf("a shard of %d bytes made fx allocate %d, more than %d", len(content), took, limit)
		}
	})
}

func TestVerifyFindsWhatChecksumsDoNot(t *testing.T) {
	p := somePhotos(3)
	for _, c := range []struct {
		name   string
		damage func(r run) error
		word   string
	}{
		{"missing", func(r run) error {
			return os.Remove(filepath.Join(r.dir, "shard-00001.arrow"))
		}, "shard-00001.arrow: missing, with 4 rows"},
		{"another whole shard in its place", func(r run) error {
			return os.Rename(filepath.Join(r.dir, "shard-00002.arrow"), filepath.Join(r.dir, "shard-00001.arrow"))
		}, "not the file that the last run left"},
		{"NaN", func(r run) error {
			l := r.manifest.layout()
			s, err := openShardFile(r.dir, "shard-00000.arrow", l)
			must(t, err)
			defer s.close()
			values := append([]byte(nil), s.values...)
			copy(values[4*7:], asBytes([]float32{nan()}))
			return writeShard(r.dir, "shard-00000.arrow", l, s.rows, values, new(bytes.Buffer))
		}, "the embedding of train/ants/001.jpg (view 0) has NaN"},
	} {
		r := newRun(t, p)
		r.mustDo(t)
		must(t, c.damage(r))
		report, err := Verify(context.Background(), r.dir, progress.Discard)
		if fail.KindOf(err) != fail.Store || !strings.Contains(err.Error(), c.word) || len(report.Problems) == 0 ||
			report.Problems[0].Fix == "" {
			t.Errorf("%s: %v, %+v", c.name, err, report)
		}
	}
}

func TestVerifyOfAnUnfinishedRunIsANote(t *testing.T) {
	r := newRun(t, somePhotos(3))
	r.stop = func(k int) bool { return k == 2 }
	r.mustDo(t)
	report, err := Verify(context.Background(), r.dir, progress.Discard)
	if err != nil || report.Rows != 8 || len(report.Notes) != 1 ||
		!strings.Contains(report.Notes[0], "has not finished (2 files") {
		t.Errorf("%+v, %v", report, err)
	}
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	if s.Finished() || len(s.Rows()) != 8 {
		t.Errorf("finished %v with %d rows", s.Finished(), len(s.Rows()))
	}
	must(t, s.Close())
}
