package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"fx/internal/userfile"
)

// Name returns name with every control character escaped, line ends and tabs among them, so that it stays in its line
// and column.
func Name(name string) string { return escape(name, "") }

// Names is Name of each of names.
func Names(names []string) []string {
	safe := make([]string, len(names))
	for i, name := range names {
		safe[i] = Name(name)
	}
	return safe
}

// maxMessage limits a message: names in untrusted files may have megabytes.
const maxMessage = 8 << 10

// Message returns text for a line that begins with a prefix such as "fx: ". Control characters are escaped, further
// lines indented, so that none of them looks like another message. Text after 8 KiB is cut.
func Message(text string) string {
	if short := userfile.Cut(text, maxMessage); len(short) < len(text) {
		text = short + "…"
	}
	return strings.ReplaceAll(escape(text, "\n\t"), "\n", "\n    ")
}

// Writer writes to W and escapes control characters, except line ends and tabs. Each Write must consist of whole
// runes, as those of packages fmt and encoding/json do. JSON keeps its value.
type Writer struct{ W io.Writer }

// Write returns len(p) if all of p was written, and 0 otherwise.
func (w Writer) Write(p []byte) (int, error) {
	text := string(p)
	if safe := escape(text, "\n\t"); safe != text {
		if _, err := io.WriteString(w.W, safe); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return w.W.Write(p)
}

// escape replaces control characters, except those in keep, and bytes that are not UTF-8.
func escape(text, keep string) string {
	at := firstUnsafe(text, keep)
	if at < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case i < at || !unsafe(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r) // as JSON writes it
		}
		i += size
	}
	return b.String()
}

func firstUnsafe(text, keep string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") ||
			unsafe(r) && !strings.ContainsRune(keep, r) {
			return i
		}
	}
	return -1
}

// unsafe reports whether r may control a terminal (C0, DEL, C1), change the order of the text after it (Unicode's
// bidirectional embeddings, overrides and isolates), or end a line.
func unsafe(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x2028 || r == 0x2029
}
