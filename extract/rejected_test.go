package extract

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/store"
)

// replaced changes the bytes of a file without a change of its size and time.
func replaced(t *testing.T, path string, text string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(text)) != info.Size() {
		t.Fatalf("%d bytes, the file has %d", len(text), info.Size())
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// A photo that was rejected is not read again: the test puts a good one into its place, which a listing does not show.
func TestRejectedPhotosAreRememberedWithTheirReasons(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 3)
	bad := filepath.Join(data, "train/ants/00.png")
	good, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	cut := string(good[:len(good)-20]) + strings.Repeat("\x00", 20)
	if err := os.WriteFile(bad, []byte(cut), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"val/bees/00.png": "no photo at all", "val/ants/empty.png": ""} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	age(t, data)
	o := options(data, filepath.Join(t.TempDir(), "store"))
	first := mustRun(t, o, 10, 0, 3)
	replaced(t, bad, string(good))
	again := mustRun(t, o, 0, 10, 3)
	if !slices.Equal(again.Rejected, first.Rejected) || again.Images != first.Images {
		t.Errorf("rejected %v, then %v", first.Rejected, again.Rejected)
	}
	info, err := store.ReadInfo(o.Store)
	if err != nil || info.Rejected != 3 || len(info.RejectedPhotos) != 3 {
		t.Errorf("%+v, %v", info.RejectedPhotos, err)
	}
	retried := o
	retried.RetryRejected = true
	mustRun(t, retried, 1, 10, 2) // read at last
	mustRun(t, o, 0, 11, 2)
	if info, err := store.ReadInfo(o.Store); err != nil || info.Rejected != 2 {
		t.Errorf("%+v, %v", info.RejectedPhotos, err)
	}

	o.OnBadImage = "fail"
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Rejected {
		t.Errorf("--on-bad-image fail with known bad photos: %v", err)
	}
}

// A change of the file, and what is not the content's fault, are tried anew.
func TestWhatIsNotTheContentsFaultIsNotRemembered(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 2)
	name := filepath.Join(data, "train/ants/00.png")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(data, "nothing.png"), name); err != nil {
		t.Fatal(err)
	}
	age(t, filepath.Join(data, "val"))
	list := filepath.Join(t.TempDir(), "list.csv")
	var lines strings.Builder
	lines.WriteString("path,label\n")
	for _, photo := range []string{"train/ants/00.png", "train/ants/01.png", "train/bees/00.png"} {
		lines.WriteString(filepath.Join(data, photo) + "," + filepath.Base(filepath.Dir(photo)) + "\n")
	}
	if err := os.WriteFile(list, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(list, filepath.Join(t.TempDir(), "store"))
	o.TrainSplit = ""
	mustRun(t, o, 2, 0, 1)
	noise(t, filepath.Join(data, "nothing.png"), 77)
	mustRun(t, o, 1, 2, 0)

	o.TimeoutPerPhoto = 1 // nothing is so fast
	o.Store = filepath.Join(t.TempDir(), "hasty")
	_, err := Run(t.Context(), o, progress.Discard)
	if fail.KindOf(err) != fail.Rejected || !strings.Contains(err.Error(), "takes longer than 1ns") {
		t.Errorf("%v", err)
	}
	o.TimeoutPerPhoto = time.Minute
	mustRun(t, o, 3, 0, 0)
}

func TestMaxBad(t *testing.T) {
	for _, c := range []struct {
		text    string
		photos  int
		allowed int // -1: the text is refused
	}{
		{"0", 100, 0}, {"3", 100, 3}, {"0.5%", 400, 2}, {"0.5%", 199, 0}, {"0%", 100, 0}, {"100%", 7, 7},
		{"2.5 %", 80, 2},
		{"-1", 0, -1}, {"101%", 0, -1}, {"-1%", 0, -1}, {"half", 0, -1}, {"NaN%", 0, -1}, {"0.5", 0, -1}, {"", 0, -1},
	} {
		var m MaxBad
		err := m.Set(c.text)
		if (err != nil) != (c.allowed < 0) || err == nil && m.of(c.photos) != c.allowed {
			t.Errorf("%q of %d: %d, %v; want %d", c.text, c.photos, m.of(c.photos), err, c.allowed)
		}
	}
	if none := (MaxBad{}); none.of(5) != 5 || none.String() != "" {
		t.Errorf("no limit: %d of 5, %q", none.of(5), none.String())
	}
}

func TestTooManyBadPhotosEndTheRun(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 6)
	spoil(t, data)
	age(t, data)
	o := options(data, filepath.Join(t.TempDir(), "store"))
	o.RowsPerShard = 4
	limited := func(text string) Options {
		limited := o
		if err := limited.MaxBad.Set(text); err != nil {
			t.Fatal(err)
		}
		return limited
	}
	_, err := Run(t.Context(), limited("1"), progress.Discard)
	const says = "2 of 24 photos can't be used, and --max-bad allows 1: train/ants/00.png: not an image"
	if fail.KindOf(err) != fail.Rejected || !strings.Contains(err.Error(), says) ||
		!strings.Contains(err.Error(), "; val/bees/01.png: ") || !strings.Contains(fail.HintOf(err), "--max-bad") {
		t.Errorf("%v (%s)", err, fail.HintOf(err))
	}
	s, err := Run(t.Context(), limited("8.4%"), progress.Discard)
	if err != nil || s.Cached == 0 || s.Computed+s.Cached != 22 || len(s.Rejected) != 2 {
		t.Errorf("%+v, %v: what was computed is kept", s, err)
	}
	mustRun(t, limited("2"), 0, 22, 2)
	if _, err := Run(t.Context(), limited("8.3%"), progress.Discard); fail.KindOf(err) != fail.Rejected {
		t.Errorf("photos that are known to be bad: %v", err)
	}
}
