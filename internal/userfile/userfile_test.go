package userfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fx/internal/durable"
	"fx/internal/testenv"
	"fx/internal/userfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "userfile")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "model.json")
	if err := os.WriteFile(path, []byte(`{"classes": `+strings.Repeat("[", 1000)), 0o644); err != nil {
		log.Fatal(err)
	}
	_, err = userfile.ReadJSON(path)
	fmt.Println(strings.ReplaceAll(err.Error(), dir+"/", ""))
	fmt.Println(userfile.Quote(strings.Repeat("ants ", 100)))
	// Output:
	// read model.json: too large: nested more than 100 deep
	// "ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants ants "…
}

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadIsBounded(t *testing.T) {
	path := write(t, "12345678")
	if text, err := userfile.Read(path, 8); err != nil || string(text) != "12345678" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := userfile.Read(path, 7); !errors.Is(err, userfile.ErrTooLarge) || !strings.Contains(err.Error(), path) {
		t.Errorf("8 bytes where 7 may be: %v", err)
	}
	if _, err := userfile.ReadText(t.Context(), path, 7); !errors.Is(err, userfile.ErrTooLarge) {
		t.Errorf("8 bytes of text where 7 may be: %v", err)
	}
	if _, err := userfile.Read(path+"x", 8); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := userfile.Read(filepath.Dir(path), 8); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := userfile.ReadText(t.Context(), "/dev/zero", 1<<20); !errors.Is(err, userfile.ErrTooLarge) {
		t.Errorf("an endless file: %v", err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skip(err)
	}
	if _, err := userfile.ReadJSON(path); !errors.Is(err, userfile.ErrTooLarge) {
		t.Errorf("a sparse file of a TiB: %v", err)
	}
}

func TestAPipeDoesNotBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	testenv.MakePipe(t, path)
	if _, err := userfile.Read(path, 8); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := userfile.ReadText(ctx, path, 8); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestShortAndQuoteAreBounded(t *testing.T) {
	for _, text := range []string{"", "ants", strings.Repeat("é", 1000), strings.Repeat("\xff", 1000), "a" +
		strings.Repeat("日本", 100), "\x1b[31m\u202e\n"} {
		if short := userfile.Short(text); len(short) > 130 || utf8.ValidString(text) && !utf8.ValidString(short) {
			t.Errorf("short of %.20q: %q", text, short)
		}
		if quoted := userfile.Quote(text); len(quoted) > 4*130 || strings.ContainsAny(quoted, "\x1b\n\u202e") ||
			!utf8.ValidString(quoted) {
			t.Errorf("quote of %.20q: %q", text, quoted)
		}
	}
}

// shape has what fx's own files have: objects of many fields, lists, and values of any type.
type shape struct {
	Runs []struct {
		A, B, C, D, E, F, G, H, I, J, K string
		L, M                            float64
		N                               *int
	} `json:"runs"`
	Classes []string       `json:"classes"`
	Numbers []float64      `json:"numbers"`
	Any     map[string]any `json:"any"`
}

// jsons are texts that take far more memory decoded than they have bytes.
func jsons(n int) map[string]string {
	return map[string]string{
		"objects":      `{"runs":[` + strings.Repeat("{},", n) + "{}]}",
		"any objects":  `{"any":{"a":[` + strings.Repeat("{},", n) + "{}]}}",
		"any lists":    `{"any":{"a":[` + strings.Repeat("[],", n) + "[]]}}",
		"any numbers":  `{"any":{"a":[` + strings.Repeat("1,", n) + "1]}}",
		"any keys":     `{"any":{"a":{` + strings.Repeat(`"":1,`, n) + `"":1}}}`,
		"strings":      `{"classes":[` + strings.Repeat(`"",`, n) + `""]}`,
		"numbers":      `{"numbers":[` + strings.Repeat("1,", n) + "1]}",
		"depth":        `{"any":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}",
		"a quote":      `{"classes":["` + strings.Repeat(`\"`, n) + `[[[["]}`,
		"keys not won": `{` + strings.Repeat(`"x":{},`, n) + `"classes":[]}`,
	}
}

const maxDecoded = 1 << 30 // bytes that decoding any accepted file allocates, garbage of growing lists counted

func TestWhatIsReadTakesBoundedMemory(t *testing.T) {
	for name, text := range jsons(8 << 20) {
		path := write(t, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read, err := userfile.ReadJSON(path)
		if err == nil {
			err = json.Unmarshal(read, &shape{})
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > maxDecoded {
			t.Errorf("%s: %d MB of JSON made fx allocate %d MB (%v)", name, len(text)>>20, took>>20, err)
		}
	}
	// What fx writes is far from the bounds: a run of 200,000 rejected photos.
	text := `{"rejected":[` + strings.Repeat(`{"path":"a","reason":"b"},`, 200_000) + "{}]}"
	if _, err := userfile.ReadJSON(write(t, text)); err != nil {
		t.Error(err)
	}
}

// Each bound is kept before a parser sees the text, and the text at the bound is read.
func TestJSONIsRefusedBeforeItIsDecoded(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	list := func(of string, n int) string { return "[" + strings.Repeat(of+",", n-1) + of + "]" }
	for name, c := range map[string]struct{ most, more string }{
		"depth":   {nested(100), nested(101)},
		"objects": {list("{}", 500_000), list("{}", 500_001)},
		"values":  {list("1", 4_000_000), list("1", 4_000_001)},
	} {
		if _, err := userfile.ReadJSON(write(t, c.most)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := userfile.ReadJSON(write(t, c.more)); !errors.Is(err, userfile.ErrTooLarge) {
			t.Errorf("one more of %s: %v", name, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, text := range jsons(20) {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "x.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		read, err := userfile.ReadJSON(path)
		if err == nil && string(read) != string(text) {
			t.Errorf("%q was read as %q", text, read)
		}
		if err != nil && json.Valid(text) && len(text) < 1<<10 && !errors.Is(err, userfile.ErrTooLarge) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
