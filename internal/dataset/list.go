package dataset

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"fx/internal/fail"
	"fx/internal/userfile"
)

const listHint = "A list is comma-separated UTF-8 with the header path,label or path,label,split; paths are relative to its own folder."

// maxList bounds the bytes of a list: ten million photos and more.
const maxList = 1 << 30

// readList reads a CSV list of photos, until ctx ends.
func readList(ctx context.Context, file string) (*Dataset, error) {
	content, err := userfile.ReadText(ctx, file, maxList)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, listHint, "cannot read the list %s", file)
	}
	return userfile.Abandon(ctx, func() (*Dataset, error) { return parseList(ctx, file, content) })
}

func parseList(ctx context.Context, file string, content []byte) (*Dataset, error) {
	if !utf8.Valid(content) {
		return nil, fail.New(fail.Usage, listHint, "the list %s is not valid UTF-8", file)
	}
	r := csv.NewReader(bytes.NewReader(withLineFeeds(bytes.TrimPrefix(content, []byte("\ufeff")))))
	columns, err := header(r, file)
	if err != nil {
		return nil, err
	}
	l := &list{file: file, folder: filepath.Dir(file), columns: columns, seen: map[string]int{}, classes: map[string]bool{}, splits: map[string]bool{}}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fail.Wrap(fail.Usage, err, listHint, "%s", file)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if err := l.add(record, line); err != nil {
			return nil, err
		}
	}
	return l.dataset()
}

// withLineFeeds returns text with line feeds in the place of carriage returns
// where those alone end its lines, as in "CSV (Macintosh)" of Excel.
func withLineFeeds(text []byte) []byte {
	if bytes.IndexByte(text, '\n') >= 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
}

// columns are the positions of the fields; split is -1 where there is none.
type columns struct{ path, label, split int }

func header(r *csv.Reader, file string) (columns, error) {
	names, err := r.Read()
	if errors.Is(err, io.EOF) {
		return columns{}, fail.New(fail.Usage, listHint, "the list %s is empty", file)
	}
	if err != nil {
		return columns{}, fail.Wrap(fail.Usage, err, listHint, "%s", file)
	}
	c := columns{-1, -1, -1}
	for i, n := range names {
		switch strings.ToLower(strings.TrimSpace(n)) {
		case "path":
			c.path = i
		case "label":
			c.label = i
		case "split":
			c.split = i
		}
	}
	if c.path < 0 || c.label < 0 {
		return columns{}, fail.New(fail.Usage, listHint, "the first line of %s is %s, not a header with path and label", file, userfile.Quote(strings.Join(names, ",")))
	}
	return c, nil
}

type list struct {
	file, folder    string
	columns         columns
	items           []Item
	seen            map[string]int // path → line
	classes, splits map[string]bool
	absent          int
}

func (l *list) add(record []string, line int) error {
	path, class := record[l.columns.path], strings.TrimSpace(record[l.columns.label])
	if path == "" || class == "" {
		return fail.New(fail.Usage, listHint, "%s line %d: path %s and label %s must both be there", l.file, line, userfile.Quote(path), userfile.Quote(class))
	}
	if strings.ContainsRune(path, 0) {
		return fail.New(fail.Usage, listHint, "%s line %d: a zero byte in path %s", l.file, line, userfile.Quote(path))
	}
	rel := filepath.ToSlash(filepath.Clean(path))
	if before, twice := l.seen[rel]; twice {
		return fail.New(fail.Usage, "List every photo once.", "%s line %d: %s is listed already on line %d", l.file, line, userfile.Short(rel), before)
	}
	l.seen[rel] = line
	item := Item{Path: filepath.Clean(path), Rel: rel, Class: class, Size: -1}
	if !filepath.IsAbs(item.Path) {
		item.Path = filepath.Join(l.folder, item.Path)
	}
	if l.columns.split >= 0 {
		item.Split = strings.TrimSpace(record[l.columns.split])
	}
	if info, err := os.Stat(item.Path); err != nil || !info.Mode().IsRegular() {
		l.absent++
	} else {
		item.Size, item.ModTime, item.Inode = info.Size(), info.ModTime(), idOf(info).inode
	}
	l.classes[class], l.splits[item.Split] = true, true
	l.items = append(l.items, item)
	return nil
}

func (l *list) dataset() (*Dataset, error) {
	switch {
	case len(l.items) == 0:
		return nil, fail.New(fail.Usage, listHint, "the list %s names no photo", l.file)
	case l.absent == len(l.items):
		return nil, fail.New(fail.Usage, listHint, "none of the %d photos listed in %s exists: the first should be %s",
			l.absent, l.file, userfile.Short(l.items[0].Path))
	case len(l.classes) == 1:
		return nil, fail.New(fail.Usage, "List photos of at least two classes.", "only one class in %s: %s", l.file, userfile.Short(l.items[0].Class))
	}
	d := &Dataset{Root: l.folder, Classes: sortedKeys(l.classes), Splits: sortedKeys(l.splits), Items: l.items}
	sortNumbers(d.Classes)
	label := map[string]int{}
	for i, c := range d.Classes {
		label[c] = i
	}
	for i := range d.Items {
		d.Items[i].Label = label[d.Items[i].Class]
	}
	return d, nil
}

// sortNumbers puts classes that are all whole numbers in the order of numbers,
// so that the label of class 10 comes after that of class 9.
func sortNumbers(classes []string) {
	value := map[string]int{}
	for _, c := range classes {
		n, err := strconv.Atoi(c)
		if err != nil {
			return
		}
		value[c] = n
	}
	sort.SliceStable(classes, func(i, j int) bool { return value[classes[i]] < value[classes[j]] })
}
