package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"fx/internal/userfile"
)

// Name returns name with every control character escaped, line ends and tabs
// among them, so that it stays within its line and its column.
func Name(name string) string { return escape(name, "") }

// Names is Name of each of names.
func Names(names []string) []string {
	safe := make([]string, len(names))
	for i, name := range names {
		safe[i] = Name(name)
	}
	return safe
}

// maxMessage bounds a message: names in files of strangers may have megabytes.
const maxMessage = 8 << 10

// Message returns text for a line that begins with a prefix such as "fx: ".
// Control characters are escaped, further lines indented, so that none of them
// looks like another message, and what is beyond 8 KiB is left out.
func Message(text string) string {
	if short := userfile.Cut(text, maxMessage); len(short) < len(text) {
		text = short + "…"
	}
	return strings.ReplaceAll(escape(text, "\n\t"), "\n", "\n    ")
}

// Writer writes to W what it is given, control characters but line ends and
// tabs escaped. Each Write must hold whole runes, as those of package fmt and
// encoding/json do. JSON stays JSON of the same value.
type Writer struct{ W io.Writer }

// Write returns len(p) where all of p was written, escaped, and 0 otherwise.
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

// escape replaces control characters but those of keep, and bytes that are not UTF-8.
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
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") || unsafe(r) && !strings.ContainsRune(keep, r) {
			return i
		}
	}
	return -1
}

// unsafe tells whether a terminal may take r for a command (C0, DEL, C1), or for
// a change of the order in which it shows what follows (Unicode's bidirectional
// embeddings, overrides and isolates), or for an end of line.
func unsafe(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}
