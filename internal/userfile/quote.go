package userfile

import (
	"strconv"
	"unicode/utf8"
)

// maxQuoted is how many bytes of a user's data a message quotes.
const maxQuoted = 120

// Quote returns text as a quoted string for a message: unprintable characters
// escaped, and cut after about 120 bytes, with an ellipsis behind the quotes.
func Quote(text string) string {
	short := Cut(text, maxQuoted)
	if len(short) == len(text) {
		return strconv.Quote(text)
	}
	return strconv.Quote(short) + "…"
}

// Short returns text, cut after about 120 bytes with an ellipsis: a path or a
// name that a message mentions without quotes.
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
