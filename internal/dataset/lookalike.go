package dataset

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"fx/internal/fail"
)

// LookAlike returns the difference between two names that look the same on a screen: the Unicode form of their accents
// (macOS and Linux write them differently), or blanks around them. It returns "" for other names, and for equal ones.
func LookAlike(a, b string) string {
	if a == b {
		return ""
	}
	trimmedA, trimmedB := strings.TrimFunc(a, unicode.IsSpace), strings.TrimFunc(b, unicode.IsSpace)
	switch {
	case norm.NFC.String(trimmedA) != norm.NFC.String(trimmedB):
		return ""
	case trimmedA == trimmedB:
		return fmt.Sprintf("%q and %q differ in blanks around the name only", a, b)
	case trimmedA == a && trimmedB == b:
		return fmt.Sprintf("%s, written %+q, and %s, written %+q, differ in their Unicode form only", a, a, b, b)
	}
	return fmt.Sprintf("%+q and %+q differ in their Unicode form and in blanks only", a, b)
}

// oneSpelling is the hint of errors about names that look the same.
const oneSpelling = "Rename one of them so that both are written alike."

// checkSpelling returns an error for classes whose names look the same: they are one class, but would be trained
// against each other.
func checkSpelling(classes []string, where string) error {
	known := map[string]string{}
	for _, class := range classes {
		key := norm.NFC.String(strings.TrimFunc(class, unicode.IsSpace))
		if first, twice := known[key]; twice {
			return fail.New(fail.Usage, oneSpelling, "two classes in %s look the same: %s", where,
				LookAlike(first, class))
		}
		known[key] = class
	}
	return nil
}
