package spelling

import (
	"slices"
	"strings"
)

// most is how many names are suggested.
const most = 3

// Nearest returns up to three known names that differ from the given one by a few characters, the nearest first.
// Case and the characters between words do not count.
func Nearest(known []string, given string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	short := plain(given)
	for _, name := range known {
		long := plain(name)
		d := editDistance(long, short)
		if short != "" && strings.HasPrefix(long, short) {
			d = min(d, 1)
		}
		if d <= max(2, len(long)/3) && d < len(long) { // a distance of the whole length leaves nothing of it
			found = append(found, candidate{name, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var names []string
	for _, c := range found[:min(len(found), most)] {
		names = append(names, c.name)
	}
	return names
}

func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-. ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// editDistance is Levenshtein's: insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
