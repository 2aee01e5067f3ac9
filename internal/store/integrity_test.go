package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/flipbits"
	"fx/internal/progress"
)

// content is all that a reader gets from the store in dir.
func content(dir string) (string, error) {
	s, err := Open(context.Background(), dir, progress.Discard)
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Close() }()
	text := fmt.Sprintf("%+v\n", s.Manifest)
	for i, r := range s.Rows() {
		text += fmt.Sprintf("%s %s %s %s %d %d %v\n", r.Path, r.SHA256, r.Split, r.Class, r.Label, r.View,
			s.Embedding(i, nil))
	}
	return text, nil
}

// No flipped bit of a store is read as another row, label or manifest.
func TestNoFlippedBitMakesAnotherStore(t *testing.T) {
	r := newRun(t, somePhotos(1))
	r.mustDo(t)
	for _, name := range []string{lockFile, statCacheFile, checkedName(Shard{})} { // not read by readers
		_ = os.Remove(filepath.Join(r.dir, name))
	}
	want, err := content(r.dir)
	must(t, err)
	refused := 0
	n := flipbits.EachFile(t, r.dir, 3, func(damaged string) {
		got, err := content(r.dir)
		if err != nil {
			refused++
		} else if got != want {
			t.Errorf("%s: opens as %s", damaged, got)
		}
	})
	if refused < n*8/10 {
		t.Errorf("%d of %d flipped bits are seen", refused, n)
	}
}

// flipEmbedding flips a bit of the embedding of each row of a shard.
func flipEmbedding(t *testing.T, dir, name string, l layout) (rows int) {
	t.Helper()
	s, err := openShardFile(dir, name, l)
	must(t, err)
	defer s.close()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	must(t, err)
	for i := range s.rows {
		at := int64(s.seal.offset) + int64(i*l.rowBytes)
		_, err := f.WriteAt([]byte{s.embedding(i, l.rowBytes)[0] ^ 1}, at)
		must(t, err)
	}
	must(t, f.Close())
	return len(s.rows)
}

// age makes a run that goes on at once the one of a later hour: files whose times are
// too new are not taken for the ones that were checked.
func age(t *testing.T, dir string) {
	t.Helper()
	names, err := listShards(dir)
	must(t, err)
	for _, name := range names {
		old := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(filepath.Join(dir, name), old, old))
	}
	time.Sleep(racy + 50*time.Millisecond) // the time of change can't be set
}

// A reader refuses damaged rows; the next run computes them anew and says how many;
// and then the store is as it was.
func TestDamagedRowsAreComputedAnew(t *testing.T) {
	r := newRun(t, somePhotos(3))
	r.mustDo(t)
	want, err := content(r.dir)
	must(t, err)
	rows := flipEmbedding(t, r.dir, "shard-00001.arrow", r.manifest.layout())
	if _, err := content(r.dir); fail.KindOf(err) != fail.Store ||
		!strings.Contains(err.Error(), "shard-00001.arrow is damaged") ||
		!strings.Contains(fail.HintOf(err), "--verify-content") {
		t.Errorf("a reader: %v", err)
	}
	if _, err := ReadInfo(r.dir); err != nil { // reads no embedding
		t.Errorf("looking at it: %v", err)
	}
	plan := r.mustDo(t).plan
	if plan.DamagedRows != rows || plan.MissingRows != rows || rows == 0 {
		t.Errorf("%d damaged rows, %d of them planned for: %+v", rows, plan.DamagedRows, plan)
	}
	if got, err := content(r.dir); err != nil || got != want {
		t.Errorf("afterwards %v\n%s\nnot\n%s", err, got, want)
	}
	if plan := r.mustDo(t).plan; plan.DamagedRows != 0 || plan.MissingRows != 0 {
		t.Errorf("the run after: %+v", plan)
	}
}

// What was checked is not read again until it changes, or all is asked for.
func TestOnlyWhatChangedIsCheckedAgain(t *testing.T) {
	r := newRun(t, somePhotos(3))
	r.mustDo(t)
	age(t, r.dir)
	read := func(verifyContent bool) int64 {
		t.Helper()
		var counted counter
		w, err := OpenForWriting(t.Context(), r.dir, r.manifest,
			WriteOptions{Progress: &counted, RowsPerShard: 4, VerifyContent: verifyContent})
		must(t, err)
		w.Close()
		return counted.total
	}
	info, err := ReadInfo(r.dir)
	must(t, err)
	if n := read(false); n != info.Bytes {
		t.Errorf("files that are new to the times they have: %d bytes read of %d", n, info.Bytes)
	}
	if n := read(false); n != 0 {
		t.Errorf("nothing has changed, and %d bytes are read", n)
	}
	if n := read(true); n != info.Bytes {
		t.Errorf("--verify-content reads %d of %d bytes", n, info.Bytes)
	}
	changed := filepath.Join(r.dir, "shard-00001.arrow")
	stat, err := os.Stat(changed)
	must(t, err)
	data, err := os.ReadFile(changed)
	must(t, err)
	must(t, os.WriteFile(changed, data, 0o644))
	must(t, os.Chtimes(changed, stat.ModTime(), stat.ModTime())) // only the time of change tells
	if n := read(false); n != stat.Size() {
		t.Errorf("a file was written again, and %d bytes are read, not its %d", n, stat.Size())
	}
	must(t, os.WriteFile(filepath.Join(r.dir, checkedName(Shard{})), []byte("{"), 0o644))
	if n := read(false); n != info.Bytes {
		t.Errorf("without the memory of it %d of %d bytes are read", n, info.Bytes)
	}
}

// counter adds up the totals of what is begun under the name verify.
type counter struct{ total int64 }

func (c *counter) Begin(name string, total int64, _ string) progress.Task {
	if name == "verify" {
		c.total += total
	}
	return progress.Discard.Begin(name, total, "")
}

func (c *counter) Note(string) {}

// Damage that no time of a file tells is not given a new seal: neither where a photo
// moves and its row is copied, nor where its file is rewritten.
func TestDamageIsNotSealedAnew(t *testing.T) {
	const moved = "train/ants/001.jpg"
	for name, change := range map[string]func(p photos){
		"copied":    func(p photos) { p["train/ants/new.jpg"] = p[moved]; delete(p, moved) },
		"rewritten": func(p photos) { delete(p, moved) },
	} {
		p := somePhotos(3)
		r := newRun(t, p)
		r.mustDo(t)
		names, err := listShards(r.dir)
		must(t, err)
		for _, n := range names {
			flipEmbedding(t, r.dir, n, r.manifest.layout())
		}
		// As if the disk had done it: the files count as checked.
		f, err := openFolder(r.dir, r.manifest.layout())
		must(t, err)
		defer f.close()
		time.Sleep(racy + 50*time.Millisecond)
		for _, s := range f.files {
			s.known = true
		}
		(&Writer{dir: r.dir, options: WriteOptions{Progress: progress.Discard}}).noteChecks(f.files, nil)
		change(p)
		p.write(t, r.root)
		if _, err := r.do(t); fail.KindOf(err) != fail.Store || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.do(t); err != nil { // which checks everything
			t.Errorf("%s, the run after: %v", name, err)
		}
		if _, err := content(r.dir); err != nil {
			t.Errorf("%s, in the end: %v", name, err)
		}
	}
}

// A disk that fails, or a file that is cut, while it is mapped is an error and no crash.
func TestAFileThatIsCutWhileItIsReadIsAnError(t *testing.T) {
	r := newRun(t, somePhotos(3))
	r.mustDo(t)
	s, err := openShardFile(r.dir, "shard-00000.arrow", r.manifest.layout())
	must(t, err)
	defer s.close()
	must(t, os.Truncate(filepath.Join(r.dir, s.name), 0))
	if err := s.checkContent(t.Context(), r.dir, nil, func(int64) {}); fail.KindOf(err) != fail.System ||
		!strings.Contains(err.Error(), s.name) {
		t.Errorf("%v", err)
	}
}

// An index that is not what was written does not hide that a file is missing.
func TestADamagedIndexIsTold(t *testing.T) {
	r := newRun(t, somePhotos(3))
	r.mustDo(t)
	want, err := content(r.dir)
	must(t, err)
	path := filepath.Join(r.dir, indexFile)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"rows": 4`, `"rows": 5`, 1)), 0o644))
	if _, err := content(r.dir); fail.KindOf(err) != fail.Store ||
		!strings.Contains(err.Error(), "index.json was changed") {
		t.Errorf("%v", err)
	}
	report, err := Verify(t.Context(), r.dir, progress.Discard)
	if fail.KindOf(err) != fail.Store || len(report.Problems) == 0 || report.Problems[0].File != indexFile {
		t.Errorf("verify: %+v, %v", report, err)
	}
	r.mustDo(t)
	if got, err := content(r.dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after the next run: %v", err)
	}
}
