package experiments

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// allocated returns how many bytes do allocates, those that are freed meanwhile counted.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const maxAllocated = 256 << 20 // for any file; the worst below takes about half

// bombs are files that take far more memory or time than they have bytes, in a
// parser without bounds, and what fx says of them.
var bombs = map[string]struct{ text, says string }{
	"200,000 brackets": {"format: 1\nname: " + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000),
		"262144 bytes"},
	"brackets": {"format: 1\nname: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
		"line 2: lists and mappings nest more than 32 deep"},
	"brackets without an end": {"format: 1\nname: " + strings.Repeat("[", 100_000), "may have"},
	"braces": {"format: 1\nname: " + strings.Repeat("{a: ", 4_000) + strings.Repeat("}", 4_000),
		"32 deep"},
	"dashes": {"format: 1\nname:\n" + strings.Repeat("- ", 10_000) + "a\n",
		"line 3: lists and mappings nest more than 32 deep"},
	"question marks":        {"format: 1\n" + strings.Repeat("? ", 10_000) + "a\n", "32 deep"},
	"keys of one line":      {"format: 1\n" + strings.Repeat("a: ", 6_000), "mapping value is not allowed"},
	"indentation":           {"format: 1\n" + staircase(600), "unknown field"},
	"documents":             {"format: 1\n" + strings.Repeat("---\na: 1\n", 10_000), "may have"},
	"keys":                  {"format: 1\n" + numbered("a%d: 1\n", 6_000), "line 1: a mapping of 6001 keys"},
	"tags":                  {"format: 1\nname: " + strings.Repeat("!!str ", 15_000), "max depth"},
	"a list without an end": {"format: 1\nname: [" + strings.Repeat("1,", 9_000), "not found"},
	"aliases, a billion of an": {"format: 1\nbackbones: [" + laughs(30) + "]\n",
		"line 2: aliases repeat more than 50000 values"},
	"aliases in settings": {"format: 1\nsettings: {x: [" + laughs(30) + "]}\n",
		"line 2: aliases repeat more than 50000 values"},
	"an alias inside itself": {"format: 1\nbackbones: [&a [*a]]\n", "line 2: *a is inside of what it repeats"},
	"a long line":            {"format: 1\nname: \"" + strings.Repeat("é", 100_000), "could not find end character"},
	"no UTF-8":               {"format: 1\nname: \xff\n", "not valid UTF-8"},
}

func staircase(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// laughs are lists of which each holds the one before twice.
func laughs(n int) string {
	var b strings.Builder
	b.WriteString("&a0 [x, x]")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, ", &a%d [*a%d, *a%d]", i, i-1, i-1)
	}
	return b.String()
}

func TestBombsOfYAMLTakeLittleMemory(t *testing.T) {
	for name, c := range bombs {
		path := filepath.Join(t.TempDir(), "bomb.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		took := allocated(func() { _, err = Open(t.Context(), path) })
		if err == nil || fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %.300v, want one with %q", name, err, c.says)
			continue
		}
		if len(err.Error()) > 2_000 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
		if took > maxAllocated {
			t.Errorf("%s: %d bytes of YAML made fx allocate %d MB", name, len(c.text), took>>20)
		}
		t.Logf("%s: %d bytes, %d MB", name, len(c.text), took>>20)
	}
}

// An anchor that is used twice is what people write, and stays.
func TestAliasesAreRead(t *testing.T) {
	text := strings.Replace(small, "settings: {epochs: 2, lr: 0.01}", "settings: {epochs: &e 2, batch-size: *e}", 1)
	f, err := parse([]byte(text))
	if err != nil || f.Settings.BatchSize != 2 {
		t.Errorf("%+v, %v", f, err)
	}
}

// --set takes YAML too, and it is bounded as the file is.
func TestABombInSetIsRefused(t *testing.T) {
	f, err := parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Set("epochs=" + strings.Repeat("[", 10_000))
	if err == nil || fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "32 deep") {
		t.Errorf("%.300v", err)
	}
}

// A pipe that nobody writes to is waited for until the run is to end.
func TestReadingAPipeEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.yaml")
	testenv.MakePipe(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, path); ctx.Err() == nil || err == nil || !strings.Contains(err.Error(), ctx.Err().Error()) {
		t.Errorf("%v", err)
	}
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte(small))
	for _, c := range bombs {
		if len(c.text) < 2_000 {
			f.Add([]byte(c.text))
		}
	}
	for _, c := range refused {
		f.Add([]byte(strings.Replace(small, c.old, c.new, 1)))
	}
	for _, name := range Names() {
		text, err := builtIn.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var file *File
		var err error
		if took := allocated(func() { file, err = parse(text) }); took > maxAllocated {
			t.Errorf("%d bytes of YAML made fx allocate %d MB", len(text), took>>20)
		}
		if err != nil {
			if len(err.Error()) > 4_000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			return
		}
		if err := file.check(); err != nil {
			t.Errorf("a file that parses does not stand its check: %v", err)
		}
	})
}
