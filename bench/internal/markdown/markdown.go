package markdown

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"fx/bench/internal/stats"
)

// number matches a right-aligned cell: a number with its signs and units, or an empty cell.
var number = regexp.MustCompile(`^(|—|–|can't|[×<+-]? ?[0-9][^a-z→]*%?)$`)

// Table returns a table with a head. Columns of numbers, except the first column, are right-aligned. Missing cells at
// the end of a row are empty.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("|")
		for i := range head {
			cell := ""
			if i < len(cells) {
				cell = cells[i]
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	line(head)
	b.WriteString("|")
	for i := range head {
		right := i > 0
		for _, cells := range rows {
			right = right && (i >= len(cells) || number.MatchString(cells[i]))
		}
		if right {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, cells := range rows {
		line(cells)
	}
	return b.String()
}

// Figure formats x with the given number of significant digits.
func Figure(x float64, digits int) string {
	if x == 0 {
		return "0"
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', digits-1, 64), "e") // of the rounded number
	magnitude, _ := strconv.Atoi(exponent)
	return strconv.FormatFloat(x, 'f', max(0, digits-1-magnitude), 64)
}

// Summary formats the median of values, with the minimum and the maximum in brackets if there are several.
func Summary(values []float64, digits int) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return Figure(values[0], digits)
	}
	s := stats.Summarize(values)
	return fmt.Sprintf("%s (%s–%s)", Figure(s.Median, digits), Figure(s.Low, digits), Figure(s.High, digits))
}
