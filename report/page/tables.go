package page

import (
	"cmp"
	"fmt"
	"slices"

	"fx/internal/chart"
	"fx/internal/metrics"
)

// Sizes of tables of a run's classes.
const (
	matrixClasses = 20 // above, the page lists what is confused instead of a matrix
	worstRows     = 40 // classes in the table of precision and recall
	pairRows      = 20
)

// confusionTable is a confusion matrix as the page shows it.
type confusionTable struct {
	Classes []string
	Rows    []confusionRow
	Upright bool // the names of the columns are too wide to lie side by side
}

type confusionRow struct {
	Name  string
	Cells []confusionCell
}

type confusionCell struct {
	Photos    int
	Share     string // of the row
	Shade     string // 0 to 1, for CSS
	Dark      bool   // the shade asks for light letters
	Right     bool
	Truth, As string
}

// newConfusionTable returns nil where there are too many classes.
func newConfusionTable(r Run) *confusionTable {
	if r.Evaluation == nil || len(r.Classes) > matrixClasses {
		return nil
	}
	t := &confusionTable{Classes: r.Classes}
	letters := 0
	for _, name := range r.Classes {
		letters += max(4, len(name))
	}
	t.Upright = letters > 36
	for i, counts := range r.Evaluation.Confusion {
		total := 0
		for _, n := range counts {
			total += n
		}
		row := confusionRow{Name: r.Classes[i]}
		for k, n := range counts {
			share := 0.0
			if total > 0 {
				share = float64(n) / float64(total)
			}
			shade, dark := chart.Shade(share)
			row.Cells = append(row.Cells, confusionCell{
				Photos: n, Share: fmt.Sprintf("%.0f %%", 100*share), Shade: fmt.Sprintf("%.3f", shade),
				Dark: dark, Right: i == k, Truth: r.Classes[i], As: r.Classes[k],
			})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// worstClasses returns the classes for the table of precision and recall: all in
// their order, or the worst by F1 where they are many.
func worstClasses(all []metrics.Class) []metrics.Class {
	if len(all) <= worstRows {
		return all
	}
	hasNoF1 := func(c metrics.Class) bool { return c.Support == 0 }
	sorted := slices.DeleteFunc(slices.Clone(all), hasNoF1)
	slices.SortStableFunc(sorted, func(a, b metrics.Class) int {
		return cmp.Compare(a.F1, b.F1)
	})
	return sorted[:min(len(sorted), worstRows)]
}

// confusedPair is a class taken for another.
type confusedPair struct {
	Truth, As string
	Photos    int
}

// confusedPairs lists what is confused most, for runs of more classes than a matrix can show.
func confusedPairs(r Run) []confusedPair {
	var pairs []confusedPair
	for i, row := range r.Evaluation.Confusion {
		for k, n := range row {
			if i != k && n > 0 {
				pairs = append(pairs, confusedPair{r.Classes[i], r.Classes[k], n})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b confusedPair) int { return b.Photos - a.Photos })
	return pairs[:min(len(pairs), pairRows)]
}
