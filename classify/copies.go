package classify

import (
	"fmt"

	"fx/head"
	"fx/internal/fail"
	"fx/internal/store"
)

// copiesOf numbers the photos of data; files with the same content have the same number.
func copiesOf(s *store.Store, data head.Data) []int {
	known := map[store.SHA256]int{}
	groups := make([]int, len(data.Photos))
	for i, sha := range sumsOf(s, data) {
		if _, ok := known[sha]; !ok {
			known[sha] = i
		}
		groups[i] = known[sha]
	}
	return groups
}

// distinct counts the different numbers of copiesOf.
func distinct(groups []int) int {
	n := 0
	for i, g := range groups {
		if g == i { // the first of its group
			n++
		}
	}
	return n
}

// copyNotes returns notes about photos of a training that are copies of others.
func copyNotes(s *store.Store, train, val head.Data) []string {
	all := head.Data{Photos: append(append([]head.Photo{}, train.Photos...), val.Photos...)}
	groups := copiesOf(s, all)
	n := len(groups) - distinct(groups)
	if n == 0 {
		return nil
	}
	notes := []string{fmt.Sprintf("%d of the %d photos %s", n, len(groups),
		oneOrMore(n, "is a copy of another", "are copies of others"))}
	between, first, second := 0, 0, 0
	for i, g := range groups {
		if all.Photos[i].Label == all.Photos[g].Label {
			continue
		}
		if between == 0 {
			first, second = g, i
		}
		between++
	}
	if between > 0 {
		paths := pathsOf(s, all)
		notes = append(notes,
			fmt.Sprintf("copies lie in different classes, such as %s and %s: one of the labels is wrong "+
				"(%d photos in all)", paths[first], paths[second], between))
	}
	return notes
}

// oneOrMore returns the form of a text for n things.
func oneOrMore(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// leakNotes returns notes about val photos that are also training photos.
func leakNotes(s *store.Store, train, val head.Data) []string {
	learned := map[store.SHA256]bool{}
	for _, sha := range sumsOf(s, train) {
		learned[sha] = true
	}
	n := 0
	for _, sha := range sumsOf(s, val) {
		if learned[sha] {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of the %d val photos %s trained on: of new photos fewer may be right",
		n, len(val.Photos), oneOrMore(n, "is a copy of a photo", "are copies of photos"))}
}

// copyPair is the path of a photo, and the path of the first one with the same content.
type copyPair struct{ path, first string }

// checkCopies returns an error for a class with enough photos, but too few different ones. counts are the photos of
// each class, different those without copies, copied one copy of each class.
func checkCopies(classes []string, counts, different []int, copied []copyPair) error {
	for i, class := range classes {
		if different[i] >= leastPhotos || counts[i] < leastPhotos {
			continue
		}
		return fail.New(fail.Usage,
			"Put each photo into the folder of its class alone, and give every class two photos or more.",
			"%d of the %d photos of %s to train on are copies of others, such as %s of %s",
			counts[i]-different[i], counts[i], class, copied[i].path, copied[i].first)
	}
	return nil
}
