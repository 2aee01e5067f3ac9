package printable_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"fx/internal/printable"
)

func Example() {
	fmt.Println(printable.Name("\x1b]0;owned\a ants.jpg\nfx: all is well"))
	fmt.Println(printable.Message("ants.yaml: line 3\n  3 | a: [\nfx: all is well"))
	// Output:
	// \x1b]0;owned\x07 ants.jpg\nfx: all is well
	// ants.yaml: line 3
	//       3 | a: [
	//     fx: all is well
}

var names = map[string]string{
	"":         "",
	"ants.jpg": "ants.jpg",
	"Käfer 日本 🐜 👩‍🔬 עברית": "Käfer 日本 🐜 👩‍🔬 עברית",
	"a\ufffdb":                     "a\ufffdb",
	"\x1b[31mred\x1b[0m":           `\x1b[31mred\x1b[0m`,
	"a\r\nb\tc":                    `a\x0d\nb\tc`,
	"\u009b31m\x7f":                `\u009b31m\u007f`,
	"gpj.\u202eexe\u202c\u2066":    `gpj.\u202eexe\u202c\u2066`,
	"caf\xe9 \xff\xfe":             `caf\xe9 \xff\xfe`,
	"half a rune \xe6\x97":         `half a rune \xe6\x97`,
	"line\u2028 paragraph\u2029.":  `line\u2028 paragraph\u2029.`,
	"a back\\slash is no escape":   "a back\\slash is no escape",
	"\x00\x01\x08\x0b\x0c\x1f end": `\x00\x01\x08\x0b\x0c\x1f end`,
}

func TestNames(t *testing.T) {
	for name, want := range names {
		if got := printable.Name(name); got != want {
			t.Errorf("%q is shown as %s, not as %s", name, got, want)
		}
		if got := printable.Name(want); got != want {
			t.Errorf("%s is shown as %s", want, got)
		}
	}
	if got := printable.Names([]string{"a", "\n"}); got[0] != "a" || got[1] != `\n` {
		t.Errorf("%q", got)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("日", 1<<20), strings.Repeat("\x00", 1<<20)} {
		if got := printable.Message(text); len(got) > 40<<10 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-8:])
		}
	}
}

func TestWriterKeepsJSON(t *testing.T) {
	var all []string
	for name := range names {
		all = append(all, strings.ToValidUTF8(name, "?"))
	}
	var out bytes.Buffer
	if err := json.NewEncoder(printable.Writer{W: &out}).Encode(all); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u009b\u202e\x7f") {
		t.Errorf("%q", out.String())
	}
	var again []string
	if err := json.Unmarshal(out.Bytes(), &again); err != nil || fmt.Sprint(again) != fmt.Sprint(all) {
		t.Errorf("%q became %q (%v)", all, again, err)
	}
}

func TestWriterTellsOfAllBytes(t *testing.T) {
	var out bytes.Buffer
	n, err := printable.Writer{W: &out}.Write([]byte("a\x1b\tb\n"))
	if n != 5 || err != nil || out.String() != "a\\x1b\tb\n" {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
}
