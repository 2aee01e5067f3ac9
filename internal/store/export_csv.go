package store

import (
	"encoding/csv"
	"io"
	"strconv"
)

// exportCSV writes a line for each row. Numbers have the fewest digits that read back as the same float32.
func exportCSV(x *export, out string) ([]string, error) {
	return []string{out}, x.file(out, func(w io.Writer) error {
		c := csv.NewWriter(w)
		line := []string{"path", "sha256", "split", "class", "label", "view"}
		for k := range x.s.layout.values {
			line = append(line, "f"+strconv.Itoa(k))
		}
		if err := c.Write(line); err != nil {
			return err
		}
		buffer := make([]float32, x.s.layout.values)
		err := x.each(func(i int, r *Row) error {
			line = append(line[:0], r.Path, r.SHA256.String(), r.Split, r.Class, strconv.Itoa(r.Label),
				strconv.Itoa(r.View))
			for _, v := range x.s.Embedding(i, buffer) {
				line = append(line, strconv.FormatFloat(float64(v), 'g', -1, 32))
			}
			x.task.Add(1)
			return c.Write(line)
		})
		c.Flush()
		if err != nil {
			return err
		}
		return c.Error()
	})
}
