package dataset

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"fx/internal/fail"
	"fx/internal/source"
	"fx/internal/userfile"
)

const listHint = "A list is comma-separated UTF-8 with the header path,label or path,label,split; paths are relative " +
	"to its own folder."

// maxList is the largest size of a list in bytes: more than ten million photos.
const maxList = 1 << 30

// readList reads a CSV list of photos, until ctx ends.
func readList(ctx context.Context, file string, o Options) (*Dataset, error) {
	content, err := userfile.ReadText(ctx, file, maxList)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, listHint, "cannot read the list %s", file)
	}
	return userfile.Abandon(ctx, func() (*Dataset, error) { return parseList(ctx, file, content, o) })
}

func parseList(ctx context.Context, file string, content []byte, o Options) (*Dataset, error) {
	if !utf8.Valid(content) {
		return nil, fail.New(fail.Usage, listHint, "the list %s is not valid UTF-8", file)
	}
	r := csv.NewReader(bytes.NewReader(withLineFeeds(bytes.TrimPrefix(content, []byte("\ufeff")))))
	columns, err := header(r, file, o.Unlabelled)
	if err != nil {
		return nil, err
	}
	l := &list{
		file: file, folder: filepath.Dir(file), columns: columns, options: o,
		seen: map[string]int{}, files: map[fileID]listed{}, classes: map[string]bool{}, splits: map[string]bool{},
	}
	if o.NoFollowLinks {
		if l.inside, err = os.OpenRoot(l.folder); err != nil {
			return nil, fail.Wrap(fail.Usage, err, listHint, "cannot open the folder of the list %s", file)
		}
		defer func() { _ = l.inside.Close() }() // only read
	}
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

// withLineFeeds returns text with line feeds instead of carriage returns if only those end its lines, as in Excel's
// "CSV (Macintosh)".
func withLineFeeds(text []byte) []byte {
	if bytes.IndexByte(text, '\n') >= 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
}

// columns are the positions of the fields; split is -1 if there is none.
type columns struct{ path, label, split int }

// header reads the first line. The label may be missing if none is needed.
func header(r *csv.Reader, file string, unlabelled bool) (columns, error) {
	names, err := r.Read()
	if errors.Is(err, io.EOF) {
		return columns{}, fail.New(fail.Usage, listHint, "the list %s is empty", file)
	}
	if err != nil {
		return columns{}, fail.Wrap(fail.Usage, err, listHint, "%s", file)
	}
	c := columns{path: -1, label: -1, split: -1}
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
	if unlabelled {
		c.label, c.split = -1, -1
	}
	if c.path < 0 || c.label < 0 && !unlabelled {
		return columns{}, fail.New(fail.Usage, listHint,
			"the first line of %s is %s, not a header with path and label", file,
			userfile.Quote(strings.Join(names, ",")))
	}
	return c, nil
}

type list struct {
	file, folder    string
	columns         columns
	options         Options
	inside          *os.Root // folder, if no link is to be followed, else nil
	items           []Item
	refused         []Refused
	skipped         []Skipped
	seen            map[string]int // path → line
	files           map[fileID]listed
	classes, splits map[string]bool
	rows, absent    int
}

// listed is a photo of the list.
type listed struct {
	line  int
	rel   string
	class string
}

func (l *list) add(record []string, line int) error {
	path, class := l.path(record[l.columns.path]), UnlabelledClass
	if l.columns.label >= 0 {
		class = strings.TrimSpace(record[l.columns.label])
	}
	if path == "" || class == "" {
		return fail.New(fail.Usage, listHint, "%s line %d: path %s and label %s must both be there", l.file, line,
			userfile.Quote(path), userfile.Quote(class))
	}
	if strings.ContainsRune(path, 0) {
		return fail.New(fail.Usage, listHint, "%s line %d: a zero byte in path %s", l.file, line, userfile.Quote(path))
	}
	rel, at, err := l.place(path)
	if err != nil {
		return fail.Wrap(fail.Usage, err, listHint, "%s line %d", l.file, line)
	}
	if before, twice := l.seen[rel]; twice {
		return fail.New(fail.Usage, "List every photo once.", "%s line %d: %s is listed already on line %d", l.file,
			line, userfile.Short(rel), before)
	}
	l.seen[rel] = line
	l.rows++
	item := Item{Path: l.open(path), Rel: rel, Class: class, Size: -1, At: at}
	if at != nil {
		item.Path = at.String()
	}
	if l.columns.split >= 0 {
		item.Split = strings.TrimSpace(record[l.columns.split])
	}
	l.classes[class], l.splits[item.Split] = true, true
	if at != nil {
		l.items = append(l.items, item)
		return nil
	}
	info, outside, err := l.examine(item)
	switch {
	case err != nil:
		return err
	case outside != "":
		l.skipped = append(l.skipped, Skipped{Path: item.Path, Reason: outside})
		return nil
	case info == nil:
		l.absent++
		l.items = append(l.items, item)
		return nil
	case !info.Mode().IsRegular():
		item.Size = 0
		l.refused = append(l.refused, Refused{item, "no regular file"})
		return nil
	}
	item.Size, item.ModTime, item.Inode = info.Size(), info.ModTime(), idOf(info).inode
	if item.Size == 0 {
		l.refused = append(l.refused, Refused{item, EmptyFile})
		return nil
	}
	if id := idOf(info); id != (fileID{}) {
		if before, twice := l.files[id]; twice && before.class != class {
			return fail.New(fail.Usage, "Decide which label is right, and list the photo once.",
				"%s line %d: %s is the same file as %s on line %d, but with the label %q, not %q",
				l.file, line, rel, before.rel, before.line, class, before.class)
		}
		l.files[id] = listed{line, rel, class}
	}
	l.items = append(l.items, item)
	return nil
}

// path returns a listed path. Blanks around it are part of it only if a file has that name.
func (l *list) path(field string) string {
	trimmed := strings.TrimSpace(field)
	if trimmed == field {
		return field
	}
	if _, err := os.Lstat(l.open(field)); err == nil {
		return field
	}
	return trimmed
}

// place returns the Rel of a listed photo, and the Source of one that is no file.
func (l *list) place(path string) (rel string, at source.Source, err error) {
	switch {
	case source.IsAddress(path):
		a, err := source.NewAddress(path)
		if err != nil {
			return "", nil, err
		}
		return a.Rel(), a, nil
	case source.IsBucket(path):
		at, err := source.NewObject(path)
		return path, at, err
	}
	return filepath.ToSlash(filepath.Clean(path)), nil, nil
}

// open returns the path to open for a listed path.
func (l *list) open(path string) string {
	if path = filepath.Clean(path); filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.folder, path)
}

// examine describes an item's file. info is nil if it can't be examined; the error follows when it is read. outside is
// the reason for leaving it out if links are not followed.
func (l *list) examine(item Item) (info fs.FileInfo, outside string, err error) {
	if l.inside == nil {
		if info, err = os.Stat(item.Path); err != nil {
			return nil, "", unlessAboutFile(err, item.Path)
		}
		return info, "", nil
	}
	name, err := filepath.Rel(l.folder, item.Path)
	if err != nil || !filepath.IsLocal(name) {
		return nil, "outside of the list's folder, and --no-follow-links was given", nil
	}
	info, err = l.inside.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, "not below the list's folder: " + cause(err), unlessAboutFile(err, item.Path)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, "a link, and --no-follow-links was given", nil
	}
	return info, "", nil
}

// unlessAboutFile returns nil if err is about the file at path, which is then left out. Other errors are the system's:
// a list must not lose rows because of them.
func unlessAboutFile(err error, path string) error {
	var number syscall.Errno
	if fail.AboutFile(err) || !errors.As(err, &number) {
		return nil // os.Root's errors for paths that lead out of it have no number
	}
	return unreadable("examine", path, err)
}

func (l *list) dataset() (*Dataset, error) {
	switch {
	case l.rows == 0:
		return nil, fail.New(fail.Usage, listHint, "the list %s names no photo", l.file)
	case len(l.items) == 0 && len(l.refused) > 0:
		return nil, fail.New(fail.Rejected, "Copy the photos again.",
			"none of the %d photos listed in %s can be used: %s: %s",
			l.rows, l.file, l.refused[0].Path, l.refused[0].Reason)
	case len(l.items) == 0:
		return nil, fail.New(fail.Usage, listHint, "all of the %d photos listed in %s are left out: %s: %s",
			l.rows, l.file, l.skipped[0].Path, l.skipped[0].Reason)
	case l.absent == len(l.items):
		return nil, fail.New(fail.Usage, listHint, "none of the %d photos listed in %s exists: the first should be %s",
			l.absent, l.file, userfile.Short(l.items[0].Path))
	case len(l.classes) == 1 && !l.options.ByName && !l.options.Unlabelled:
		return nil, fail.New(fail.Usage, "List photos of at least two classes.", "only one class in %s: %s", l.file,
			userfile.Short(l.items[0].Class))
	}
	d := &Dataset{
		Root: l.folder, Classes: sortedKeys(l.classes), Splits: sortedKeys(l.splits),
		Items: l.items, Refused: l.refused, Skipped: l.skipped,
	}
	if err := checkSpelling(d.Classes, l.file); err != nil {
		return nil, err
	}
	d.number()
	return d, nil
}

// number sorts the classes, by number if all are numbers, and sets the labels.
func (d *Dataset) number() {
	sortNumbers(d.Classes)
	label := map[string]int{}
	for i, c := range d.Classes {
		label[c] = i
	}
	for i := range d.Items {
		d.Items[i].Label = label[d.Items[i].Class]
	}
	for i := range d.Refused {
		d.Refused[i].Label = label[d.Refused[i].Class]
	}
}

// sortNumbers sorts classes that are all whole numbers by number, so that class 10 comes after class 9.
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
