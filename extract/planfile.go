package extract

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"fx/internal/dataset"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/source"
	"fx/internal/store"
)

// A plan is a file of JSON lines, one for each part, in the order of their numbers.

// planVersion is the version of the lines that this package writes and reads.
const planVersion = 1

// partLine is a line of a plan. Its first two fields find it.
type partLine struct {
	Version int    `json:"fx_part"`
	Number  int    `json:"part"`
	ID      string `json:"id"` // store.Manifest.PartID
	Photos  int    `json:"photos"`
	Bytes   int64  `json:"bytes"` // of the photos
	// Listed: there are photos that only a scan of the data finds.
	Listed bool `json:"in_data,omitempty"`
	// Archives contain photos of the part.
	Archives []string   `json:"archives,omitempty"`
	Items    []partItem `json:"items"`
}

// add adds a photo of the data.
func (l *partLine) add(data string, e *store.Entry) {
	l.Bytes += max(e.Size, 0)
	item := newPartItem(data, e)
	if e.At != nil {
		archive := source.ArchiveOf(e.At)
		if archive == "" {
			l.Listed = true
		} else if item.File = e.At.String(); !source.IsBucket(archive) && !slices.Contains(l.Archives, archive) {
			l.Archives = append(l.Archives, archive)
		}
	}
	l.Items = append(l.Items, item)
}

// partItem is a photo of a part.
type partItem struct {
	Path string `json:"path"` // dataset.Item.Rel
	// File is dataset.Item.Path, unless Path leads from the data to it, or the name of a photo in an archive or a
	// bucket.
	File     string `json:"file,omitempty"`
	Split    string `json:"split,omitempty"`
	Class    string `json:"class,omitempty"`
	Size     int64  `json:"size"`
	Modified *int64 `json:"modified"` // nanoseconds since 1970; null if it is unknown
	Inode    uint64 `json:"inode,omitempty"`
	Views    int    `json:"views,omitempty"`
}

func newPartItem(data string, e *store.Entry) partItem {
	item := partItem{Path: e.Rel, Split: e.Split, Class: e.Class, Size: e.Size, Inode: e.Inode, Views: e.Views}
	if e.At == nil && e.Path != filepath.Join(data, filepath.FromSlash(e.Rel)) {
		item.File = e.Path
	}
	if !e.ModTime.IsZero() {
		ns := e.ModTime.UnixNano()
		item.Modified = &ns
	}
	return item
}

func (p *partItem) entry(data string) store.Entry {
	e := store.Entry{Views: p.Views, Item: dataset.Item{Path: p.File, Rel: p.Path, Split: p.Split, Class: p.Class,
		Size: p.Size, Inode: p.Inode}}
	if e.Path == "" {
		e.Path = filepath.Join(data, filepath.FromSlash(p.Path))
	}
	if p.Modified != nil {
		e.ModTime = time.Unix(0, *p.Modified)
	}
	return e
}

// planHint is the hint for a plan that can't be used.
const planHint = "Make the plan again: fx extract with --plan."

// maxPartLine bounds the bytes of a line that is read.
const maxPartLine = 1 << 28

// readPart returns the line of a part by its ID or its number. It reads only a small part of a plan to find a number.
func readPart(path, part string) (partLine, error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return partLine{}, fail.Wrap(fail.Usage, err, "Name the file that fx extract --plan wrote.",
			"cannot read the plan")
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return partLine{}, fail.Wrap(fail.KindOf(err), err, "", "cannot read the plan %s", path)
	}
	plan := &planFile{File: f, size: info.Size()}
	find := plan.byID
	if number, err := strconv.Atoi(part); err == nil && len(part) < 10 {
		find = func(string) (int64, error) { return plan.byNumber(number) }
	}
	at, err := find(part)
	if err != nil {
		return partLine{}, fail.Wrap(fail.Usage, err, planHint, "cannot read the plan %s", path)
	}
	if at < 0 {
		return partLine{}, fail.New(fail.Usage, "Parts have the numbers from 0 on, and the IDs in the plan.",
			"%s has no part %s", path, part)
	}
	line, err := plan.line(at)
	var p partLine
	if err == nil {
		err = json.Unmarshal(line, &p)
	}
	if err == nil && (p.Version != planVersion || p.Photos != len(p.Items) || len(p.Items) == 0) {
		err = errors.New("it is damaged, or of another version of fx")
	}
	return p, fail.Wrap(fail.Usage, err, planHint, "cannot read part %s of the plan %s", part, path)
}

// planFile is an open plan.
type planFile struct {
	*os.File
	size int64
}

// from returns a reader from the offset to the end.
func (p *planFile) from(at int64) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(p, at, p.size-at), 1<<16)
}

// line returns the line at an offset.
func (p *planFile) line(at int64) ([]byte, error) {
	r := bufio.NewReader(io.NewSectionReader(p, at, min(p.size-at, maxPartLine)))
	line, err := r.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is cut short")
	}
	return line, err
}

// after returns the offset of the first line that begins at the offset or later, and the part's number; the size of
// the file if there is none.
func (p *planFile) after(at int64) (int64, int, error) {
	r := p.from(max(at-1, 0))
	start := max(at-1, 0)
	for at > 0 { // to the end of the line before
		chunk, err := r.ReadSlice('\n')
		start += int64(len(chunk))
		if err == nil {
			break
		} else if errors.Is(err, io.EOF) {
			return p.size, 0, nil
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			return 0, 0, err
		}
	}
	if start >= p.size {
		return p.size, 0, nil
	}
	head, err := r.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	var version, number int
	n, _ := fmt.Sscanf(string(head), `{"fx_part":%d,"part":%d,`, &version, &number) // n tells whether it failed
	if n != 2 || version != planVersion {
		return 0, 0, errors.New("it has a line that is no part, or one of another version of fx")
	}
	return start, number, nil
}

// byNumber returns the offset of the line of a part, or -1. Lines are in the order of the numbers, so it halves the
// range in which the line begins.
func (p *planFile) byNumber(number int) (int64, error) {
	for low, high := int64(0), p.size; low < high; {
		middle := (low + high) / 2
		start, n, err := p.after(middle)
		switch {
		case err != nil:
			return -1, err
		case start >= high || n > number:
			high = middle
		case n < number:
			low = start + 1
		default:
			return start, nil
		}
	}
	return -1, nil
}

// byID returns the offset of the line of a part, or -1. It reads the whole plan.
func (p *planFile) byID(id string) (int64, error) {
	wanted := fmt.Appendf(nil, `,"id":%q,`, id)
	r := p.from(0)
	for start := int64(0); start < p.size; {
		head, err := r.Peek(int(min(128, p.size-start)))
		if err != nil {
			return -1, err
		}
		if bytes.Contains(head, wanted) {
			return start, nil
		}
		for {
			chunk, err := r.ReadSlice('\n')
			start += int64(len(chunk))
			if err == nil || errors.Is(err, io.EOF) {
				break
			} else if !errors.Is(err, bufio.ErrBufferFull) {
				return -1, err
			}
		}
	}
	return -1, nil
}
