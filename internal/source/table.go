package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tableColumn is a column of a parquet or Arrow file, or a field in a column of structs.
type tableColumn struct {
	path   []string // its name, and that of the field
	binary bool     // bytes, and no text
	label  bool     // text or whole numbers
}

// tableColumns are the columns that matter.
type tableColumns struct {
	image int      // index of the photo's bytes
	label int      // index of the label; -1 without
	names []string // of the classes, if the label is a number of one; else nil
}

// Usual names of columns, the most usual first.
var (
	imageNames = []string{"image", "img", "photo", "picture", "jpg", "jpeg", "png", "webp", "bytes", "content", "data"}
	labelNames = []string{"label", "labels", "class", "cls", "class_name", "category"}
)

// features is what Hugging Face's datasets write about the columns of a file.
type features struct {
	Info struct {
		Features map[string]struct {
			Type  string   `json:"_type"`
			Names []string `json:"names"`
		} `json:"features"`
	} `json:"info"`
}

// chooseColumns finds the photo and its label among the columns. metadata is the value of the file's key
// "huggingface", or "".
func chooseColumns(columns []tableColumn, metadata string) (tableColumns, error) {
	var known features
	if metadata != "" { // whatever else it is, the columns have names
		_ = json.Unmarshal([]byte(metadata), &known)
	}
	chosen := tableColumns{image: -1, label: -1}
	isImage := func(c *tableColumn) bool {
		return c.binary && (len(c.path) == 1 || len(c.path) == 2 && c.path[1] == "bytes")
	}
	var images []int
	for i := range columns {
		if isImage(&columns[i]) {
			images = append(images, i)
		}
	}
	first := func(from []int, is func(c *tableColumn) bool) int {
		for _, i := range from {
			if is(&columns[i]) {
				return i
			}
		}
		return -1
	}
	hasType := func(what string) func(c *tableColumn) bool {
		return func(c *tableColumn) bool { return known.Info.Features[c.path[0]].Type == what }
	}
	chosen.image = first(images, hasType("Image"))
	for _, name := range imageNames {
		if chosen.image < 0 {
			chosen.image = first(images, func(c *tableColumn) bool { return strings.EqualFold(c.path[0], name) })
		}
	}
	if chosen.image < 0 && len(images) == 1 {
		chosen.image = images[0]
	}
	if chosen.image < 0 {
		return chosen, fmt.Errorf("none of its columns is known to contain photos: %s", columnNames(columns))
	}
	var labels []int
	for i := range columns {
		if columns[i].label && len(columns[i].path) == 1 {
			labels = append(labels, i)
		}
	}
	chosen.label = first(labels, hasType("ClassLabel"))
	for _, name := range labelNames {
		if chosen.label < 0 {
			chosen.label = first(labels, func(c *tableColumn) bool { return strings.EqualFold(c.path[0], name) })
		}
	}
	if chosen.label >= 0 {
		chosen.names = known.Info.Features[columns[chosen.label].path[0]].Names
	}
	return chosen, nil
}

// columnNames lists the columns for a message.
func columnNames(columns []tableColumn) string {
	var names []string
	for i := range columns {
		if name := columns[i].path[0]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// className returns the label for a number: the name of the class, or the number. A negative one is none.
func (c *tableColumns) className(n int64) (string, error) {
	switch {
	case n < 0:
		return "", nil
	case c.names == nil:
		return strconv.FormatInt(n, 10), nil
	case n >= int64(len(c.names)):
		return "", fmt.Errorf("label %d of %d classes", n, len(c.names))
	}
	return c.names[n], nil
}

// rowName returns the name of a row among n, so that names are in the order of the rows.
func rowName(row, n int64) string { return fmt.Sprintf("%0*d", len(strconv.FormatInt(n, 10)), row) }
