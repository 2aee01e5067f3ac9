package experimentdir

import (
	"encoding/csv"
	"io"
	"path/filepath"
	"strconv"

	"fx/internal/durable"
	"fx/internal/fail"
)

// ResultsName is the file with a line for each run.
const ResultsName = "results.csv"

// WriteCSV writes dir's results.csv: the runs, with empty cells for what an
// unfinished one does not have.
func WriteCSV(dir string, e Experiment) error {
	path := filepath.Join(dir, ResultsName)
	err := durable.WriteFile(path, func(f io.Writer) error {
		rows := [][]string{{
			"run", "backbone", "mode", "seed", "weights", "status", "best_val_accuracy", "best_epoch",
			"seconds", "images_per_second", "parameters_trained", "dir",
		}}
		number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
		for _, r := range e.Runs {
			row := []string{r.Name, r.Backbone, r.Mode, strconv.FormatUint(r.Seed, 10), r.Weights, r.Status, "", "",
				"", "", "", r.Dir}
			if r.Result != nil {
				copy(row[6:], []string{
					number(r.Result.BestValAccuracy), strconv.Itoa(r.Result.BestEpoch), number(r.Seconds),
					number(r.Result.ImagesPerSecond), strconv.Itoa(r.Result.ParametersTrained),
				})
			}
			rows = append(rows, row)
		}
		return csv.NewWriter(f).WriteAll(rows)
	})
	return fail.Wrap(fail.KindOf(err), err, "", "write %s", path)
}
