package extract

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/random"
)

// age dates the files below dir back, so that their times are trusted.
func age(t testing.TB, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	}); err != nil {
		t.Fatal(err)
	}
}

// spoil makes two of the photos unusable.
func spoil(t testing.TB, data string) {
	t.Helper()
	for name, text := range map[string]string{"train/ants/00.png": "no photo",
		"val/bees/01.png": "\x89PNG\r\n\x1a\n and no more"} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mustPlan(t *testing.T, o Options, p PlanOptions) PlanSummary {
	t.Helper()
	s, err := Plan(t.Context(), o, p, progress.Discard)
	if err != nil {
		t.Fatalf("%v (%s)", err, fail.HintOf(err))
	}
	return s
}

func TestPartsMakeTheSameRowsAsOneRun(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 5)
	spoil(t, data)
	age(t, data)
	whole := options(data, filepath.Join(t.TempDir(), "whole"))
	whole.Views = 1
	mustRun(t, whole, 27, 0, 2)
	want := content(t, whole.Store)

	o := whole
	o.Store = filepath.Join(t.TempDir(), "parts")
	p := PlanOptions{File: filepath.Join(t.TempDir(), "parts.jsonl"), Photos: 6}
	if s := mustPlan(t, o, p); s.Images != 20 || s.Missing != 20 || s.Parts != 4 || s.Bytes == 0 || s.Cached != 0 {
		t.Errorf("plan %+v", s)
	}
	part := o
	part.PartsFile, part.Views = p.File, 0 // the plan has the views
	computed, rejected := 0, 0
	var first []Summary
	for i := range 4 {
		part.Part = fmt.Sprint(i)
		s, err := Run(t.Context(), part, progress.Discard)
		if err != nil {
			t.Fatalf("part %d: %v (%s)", i, err, fail.HintOf(err))
		}
		computed, rejected = computed+s.Computed, rejected+len(s.Rejected)
		first = append(first, s)
	}
	if computed != 27 || rejected != 2 {
		t.Errorf("the parts computed %d rows and rejected %d photos", computed, rejected)
	}
	sameContent(t, "four parts", content(t, o.Store), want)
	for i := range 4 { // again, by their IDs: they are done
		line, err := readPart(p.File, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		part.Part = line.ID
		s, err := Run(t.Context(), part, progress.Discard)
		if err != nil || s.Computed != 0 || s.Cached != first[i].Computed || s.Images != first[i].Images ||
			!slices.Equal(s.Rejected, first[i].Rejected) || s.LoadSeconds != 0 {
			t.Errorf("part %d again: %+v, %v", i, s, err)
		}
	}
	if s := mustPlan(t, o, p); s.Missing != 0 || s.Parts != 0 || s.Cached != 27 || len(s.Rejected) != 2 {
		t.Errorf("planned again: %+v", s)
	}
	mustRun(t, o, 0, 27, 2)
	sameContent(t, "after the whole job", content(t, o.Store), want)
}

func TestPartsOfArchives(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 2)
	dir := t.TempDir()
	for _, split := range []string{"train", "val"} {
		text, err := exec.Command("tar", "-C", filepath.Join(data, split), "-cf",
			filepath.Join(dir, split+"-0.tar"), ".").CombinedOutput()
		if err != nil {
			t.Skipf("no tar: %v\n%s", err, text)
		}
	}
	age(t, dir)
	whole := options(data, filepath.Join(t.TempDir(), "whole"))
	mustRun(t, whole, 8, 0, 0)
	want := content(t, whole.Store)
	o := options(filepath.Join(dir, "{train,val}-0.tar"), filepath.Join(t.TempDir(), "parts"))
	p := PlanOptions{File: filepath.Join(t.TempDir(), "parts.jsonl"), Photos: 4}
	if s := mustPlan(t, o, p); s.Missing != 8 || s.Parts != 2 {
		t.Errorf("plan %+v", s)
	}
	part := o
	part.PartsFile = p.File
	away := filepath.Join(dir, "away")
	for i, other := range []string{"val-0.tar", "train-0.tar"} { // a part needs only its own archive
		if err := os.Rename(filepath.Join(dir, other), away); err != nil {
			t.Fatal(err)
		}
		part.Part = fmt.Sprint(i)
		if _, err := Run(t.Context(), part, progress.Discard); err != nil {
			t.Fatal(err, fail.HintOf(err))
		}
		if err := os.Rename(away, filepath.Join(dir, other)); err != nil {
			t.Fatal(err)
		}
	}
	sameContent(t, "parts of archives", content(t, o.Store), want)
	if s := mustPlan(t, o, p); s.Missing != 0 {
		t.Errorf("planned again: %+v", s)
	}
	mustRun(t, o, 0, 8, 0)
}

func TestPartSizes(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 3)
	age(t, data)
	o := options(data, filepath.Join(t.TempDir(), "store"))
	p := PlanOptions{File: filepath.Join(t.TempDir(), "parts.jsonl")}
	one := mustPlan(t, o, p)
	if one.Parts != 1 || one.Missing != 12 {
		t.Errorf("%+v", one)
	}
	p.Bytes = 1
	if s := mustPlan(t, o, p); s.Parts != 12 {
		t.Errorf("%+v", s)
	}
	p.Bytes = one.Bytes/2 + 1
	if s := mustPlan(t, o, p); s.Parts != 2 && s.Parts != 3 {
		t.Errorf("%+v", s)
	}
	p.Photos = 1 << 20 // of 18 KiB each
	if _, err := Plan(t.Context(), o, p, progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(fail.HintOf(err), "--part-photos 14563") {
		t.Errorf("%v (%s)", err, fail.HintOf(err))
	}
}

func TestPartsThatCannotBe(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 2)
	age(t, data)
	o := options(data, filepath.Join(t.TempDir(), "store"))
	p := PlanOptions{File: filepath.Join(t.TempDir(), "parts.jsonl"), Photos: 3}
	mustPlan(t, o, p)
	text, err := os.ReadFile(p.File)
	if err != nil {
		t.Fatal(err)
	}
	other := options(data, filepath.Join(t.TempDir(), "other"))
	other.Embedder.Network.Resize, other.Embedder.Network.Crop = 96, 96
	mustPlan(t, other, PlanOptions{File: filepath.Join(t.TempDir(), "x.jsonl")})
	o.PartsFile, o.Part = p.File, "0"
	for _, c := range []struct {
		name   string
		change func(o *Options)
		says   string
	}{
		{"a number that is too high", func(o *Options) { o.Part = "3" }, "has no part 3"},
		{"a negative number", func(o *Options) { o.Part = "-1" }, "has no part -1"},
		{"no ID", func(o *Options) { o.Part = "abc" }, "has no part abc"},
		{"no environment", func(o *Options) { o.Part = "auto" }, "no array task"},
		{"no file", func(o *Options) { o.PartsFile += "x" }, "cannot read the plan"},
		{"the store of another network", func(o *Options) { o.Store = other.Store }, "is not of the store"},
		{"no store", func(o *Options) { o.Store += "x" }, "no embedding store"},
		{"another network", func(o *Options) { o.Embedder.Network.Resize = 96 }, "resize: 64 in the store, 96 now"},
		{"with --shard", func(o *Options) { o.Shard = "0/2" }, "--shard"},
		{"without a plan", func(o *Options) { o.PartsFile = "" }, "--parts and --part"},
	} {
		bad := o
		c.change(&bad)
		if _, err := Run(t.Context(), bad, progress.Discard); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), c.says) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v (%s)", c.name, err, fail.HintOf(err))
		}
	}
	for name, changed := range map[string]string{
		"cut":         string(text[:100]),
		"changed":     strings.Replace(string(text), "train/ants/00.png", "train/ants/0x.png", 1),
		"no plan":     "hello\n",
		"no JSON":     `{"fx_part":1,"part":0,` + "\n",
		"later fx":    strings.Replace(string(text), `"fx_part":1`, `"fx_part":2`, 1),
		"no items":    `{"fx_part":1,"part":0,"id":"","photos":0,"bytes":0,"items":[]}` + "\n",
		"a long line": `{"fx_part":1,"part":0,"id":"` + strings.Repeat("x", 1<<20),
	} {
		if err := os.WriteFile(p.File, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), p.File) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file of the user's is not replaced.
	if err := os.WriteFile(p.File, []byte("my notes"), 0o644); err != nil {
		t.Fatal(err)
	}
	o.PartsFile, o.Part = "", ""
	if _, err := Plan(t.Context(), o, p, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("over a file of the user's: %v", err)
	}
}

func TestReadPartFindsEveryLine(t *testing.T) {
	s := random.New(3, "plan")
	for _, n := range []int{1, 2, 3, 50} {
		var text strings.Builder
		for i := range n {
			items := make([]partItem, 1+int(s.Float64()*400))
			for k := range items {
				items[k].Path = strings.Repeat("x", int(s.Float64()*800))
			}
			line, err := json.Marshal(partLine{Version: planVersion, Number: i, ID: fmt.Sprintf("%032x", i*7),
				Photos: len(items), Items: items})
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(string(line) + "\n")
		}
		path := filepath.Join(t.TempDir(), "parts.jsonl")
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			for _, name := range []string{fmt.Sprint(i), fmt.Sprintf("%032x", i*7)} {
				if line, err := readPart(path, name); err != nil || line.Number != i {
					t.Fatalf("part %s of %d: %d, %v", name, n, line.Number, err)
				}
			}
		}
		if _, err := readPart(path, fmt.Sprint(n)); fail.KindOf(err) != fail.Usage {
			t.Errorf("part %d of %d: %v", n, n, err)
		}
	}
}

func TestParsePart(t *testing.T) {
	for _, c := range []struct {
		text string
		env  map[string]string
		want string
	}{
		{"7", map[string]string{"SLURM_ARRAY_TASK_ID": "3"}, "7"},
		{"auto", map[string]string{"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "3"}, "3"}, // as for --array=3
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "0"}, "0"},
		{"auto", nil, ""},
		{"auto", map[string]string{"SLURM_ARRAY_TASK_ID": "x"}, ""},
	} {
		got, err := parsePart(c.text, func(name string) string { return c.env[name] })
		if got != c.want || (err != nil) != (c.want == "") || err != nil && fail.KindOf(err) != fail.Usage {
			t.Errorf("%s %v: %q, %v", c.text, c.env, got, err)
		}
	}
}

// Processes that compute parts are killed; those that start again compute the rest.
func TestKilledPartsGoOn(t *testing.T) {
	orttest.Library(t)
	data := photos(t, 25)
	spoil(t, data)
	age(t, data)
	whole := options(data, filepath.Join(t.TempDir(), "whole"))
	start := time.Now()
	mustRun(t, whole, 98, 0, 2)
	took := time.Since(start)

	o := options(data, filepath.Join(t.TempDir(), "parts"))
	p := PlanOptions{File: filepath.Join(t.TempDir(), "parts.jsonl"), Photos: 40}
	if s := mustPlan(t, o, p); s.Parts != 3 {
		t.Fatalf("%+v", s)
	}
	s := random.New(0, "kill parts")
	o.PartsFile = p.File
	for k := range 9 {
		o.Part = fmt.Sprint(k % 3)
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+string(text))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(s.Float64() * float64(took)))
		_ = child.Process.Kill() // it may have ended
		_ = child.Wait()
		want := content(t, whole.Store)
		for row, value := range content(t, o.Store) {
			if want[row] != value {
				t.Fatalf("row %s differs after kill %d", row, k)
			}
		}
	}
	for _, o.Part = range []string{"0", "1", "2"} {
		if _, err := Run(t.Context(), o, progress.Discard); err != nil {
			t.Fatal(err)
		}
	}
	sameContent(t, "killed parts", content(t, o.Store), content(t, whole.Store))
	o.PartsFile, o.Part = "", ""
	mustRun(t, o, 0, 98, 2)
}
