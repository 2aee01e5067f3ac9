package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"fx/internal/durable"
)

// CSV writes the epochs as the file path: a header and a line for each, with
// as many digits as it takes to read the same numbers back.
func CSV(path string, epochs []Epoch) error {
	return durable.WriteFile(path, func(f io.Writer) error {
		w := csv.NewWriter(f)
		rows := [][]string{{"epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"}}
		for _, e := range epochs {
			row := []string{strconv.Itoa(e.Epoch)}
			for _, v := range []float64{e.TrainLoss, e.TrainAccuracy, e.ValLoss, e.ValAccuracy} {
				row = append(row, strconv.FormatFloat(v, 'g', -1, 64))
			}
			rows = append(rows, row)
		}
		return w.WriteAll(rows)
	})
}
