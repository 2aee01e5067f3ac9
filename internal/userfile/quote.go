package userfile

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// PathBytes returns path in base64 if it is not UTF-8, else "". In JSON all other bytes become U+FFFD, so that two
// paths may look the same.
func PathBytes(path string) string {
	if utf8.ValidString(path) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(path))
}

// maxQuoted is how many bytes of a user's data a message quotes.
const maxQuoted = 120

// Quote returns text as a quoted string for a message: unprintable characters escaped, and cut after about 120 bytes,
// with an ellipsis after the quotes.
func Quote(text string) string {
	short := Cut(text, maxQuoted)
	if len(short) == len(text) {
		return strconv.Quote(text)
	}
	return strconv.Quote(short) + "…"
}

// Short returns text, cut after about 120 bytes with an ellipsis. It is for paths and names that a message shows
// without quotes.
func Short(text string) string {
	if short := Cut(text, maxQuoted); len(short) < len(text) {
		return short + "…"
	}
	return text
}

// Cut returns the beginning of text, at most n bytes, without half a rune at its end.
func Cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
