package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"fx/internal/fail"
)

// parquetTable is a parquet file whose rows contain photos.
type parquetTable struct {
	*archive
	rows    int64
	column  int     // of the photos' bytes
	starts  []int64 // the first row of each row group
	nominal int64   // bytes of a photo on average
}

// parquetCell is a photo in a row of a parquet file. Its place in the file is unknown until the row's page is unpacked.
type parquetCell struct {
	of  *parquetTable
	row int64
}

// String returns the file's path and the row.
func (c *parquetCell) String() string { return c.of.path + "/" + rowName(c.row, c.of.rows) }

// Stat describes the cell by the average size of the photos in the file.
func (c *parquetCell) Stat() (Stat, error) { return c.of.memberStat(c.of.nominal), nil }

// Open reads the row.
func (c *parquetCell) Open() (Content, error) {
	at, err := cursors.take(c.of, c.row)
	if err != nil {
		return nil, err
	}
	if err := at.unchanged(); err != nil {
		at.close()
		return nil, err
	}
	data, err := at.read(c.row)
	if err != nil {
		at.close()
		return nil, err
	}
	cursors.give(at)
	return openedCell{bytes.NewReader(data), c, int64(len(data))}, nil
}

type openedCell struct {
	io.Reader
	cell *parquetCell
	size int64
}

func (o openedCell) Stat() (Stat, error) { return o.cell.of.memberStat(o.size), nil }

func (openedCell) Close() error { return nil }

// cursor reads the rows of a parquet file one after another.
type cursor struct {
	*section
	table  *parquetTable
	file   *parquet.File
	group  int
	next   int64 // the row that values is at
	values parquet.ColumnChunkValueReader
}

func (c *cursor) close() {
	if c.values != nil {
		_ = c.values.Close() // only read
	}
	_ = c.section.Close() // likewise
}

// read returns the bytes in a row.
func (c *cursor) read(row int64) (data []byte, err error) {
	defer func() { // of damaged pages
		if r := recover(); r != nil {
			err = &Damaged{fmt.Sprintf("damaged in the file: %v", r)}
		}
	}()
	if group := c.table.groupOf(row); c.values == nil || group != c.group {
		if c.values != nil {
			_ = c.values.Close() // only read
		}
		c.group, c.next = group, c.table.starts[group]
		c.values = parquet.NewColumnChunkValueReader(c.file.RowGroups()[group].ColumnChunks()[c.table.column])
	}
	value := make([]parquet.Value, 1)
	for fewRows := int64(64); c.next != row; c.next++ { // pages that were not read yet are near
		if c.next > row || row-c.next > fewRows {
			if err := c.values.SeekToRow(row - c.table.starts[c.group]); err != nil {
				return nil, damagedPage(err)
			}
			c.next = row
			break
		}
		if _, err := c.values.ReadValues(value); err != nil {
			return nil, damagedPage(err)
		}
	}
	if _, err := c.values.ReadValues(value); err != nil {
		return nil, damagedPage(err)
	}
	c.next++
	if value[0].IsNull() {
		return nil, &Damaged{"the row has no bytes of a photo"}
	}
	return bytes.Clone(value[0].ByteArray()), nil
}

func damagedPage(err error) error {
	if fail.BySystem(err) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &Damaged{"damaged in the file: " + err.Error()}
}

// groupOf returns the row group that contains the row.
func (t *parquetTable) groupOf(row int64) int {
	group, found := slices.BinarySearch(t.starts, row)
	if !found {
		group--
	}
	return group
}

// open returns a cursor at the file's beginning.
func (t *parquetTable) open() (*cursor, error) {
	s, err := t.section(0, t.stat.Size)
	if err != nil {
		return nil, err
	}
	file, err := openParquet(s, t.stat.Size)
	if err != nil {
		return nil, errors.Join(t.damaged(err, ""), s.Close())
	}
	return &cursor{section: s, table: t, file: file}, nil
}

func openParquet(r io.ReaderAt, size int64) (file *parquet.File, err error) {
	defer func() { // of a damaged footer
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return parquet.OpenFile(r, size, parquet.SkipBloomFilters(true))
}

// cursors are those that no photo is being read through, the one given back last at the end.
var cursors cursorPool

// maxCursors bounds the open files and pages of the pool.
const maxCursors = 64

type cursorPool struct {
	mutex sync.Mutex
	idle  []*cursor
}

// take returns a cursor of the table, one that is shortly before the row if there is any.
func (p *cursorPool) take(t *parquetTable, row int64) (*cursor, error) {
	p.mutex.Lock()
	best := -1
	for i, c := range p.idle {
		if c.table == t && (best < 0 || distance(c.next, row) < distance(p.idle[best].next, row)) {
			best = i
		}
	}
	if best >= 0 {
		c := p.idle[best]
		p.idle = slices.Delete(p.idle, best, best+1)
		p.mutex.Unlock()
		return c, nil
	}
	p.mutex.Unlock()
	return t.open()
}

// distance orders cursors: those before the row come first.
func distance(next, row int64) uint64 { return uint64(row - next) }

// give gives a cursor back.
func (p *cursorPool) give(c *cursor) {
	p.mutex.Lock()
	p.idle = append(p.idle, c)
	var old *cursor
	if len(p.idle) > maxCursors {
		old = p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	p.mutex.Unlock()
	if old != nil {
		old.close()
	}
}

// listParquet lists the rows.
func (a *archive) listParquet(file *os.File, each func(Member) error) error {
	f, err := openParquet(file, a.stat.Size)
	if err != nil {
		return a.damaged(err, "")
	}
	var columns []tableColumn
	for _, path := range f.Schema().Columns() {
		leaf, _ := f.Schema().Lookup(path...)
		c := tableColumn{path: path}
		if kind := leaf.Node.Type().Kind(); leaf.MaxRepetitionLevel == 0 {
			isText := isString(leaf.Node.Type())
			c.binary = kind == parquet.ByteArray && !isText
			c.label = isText || kind == parquet.Int32 || kind == parquet.Int64
		}
		columns = append(columns, c)
	}
	metadata, _ := f.Lookup("huggingface")
	chosen, err := chooseColumns(columns, metadata)
	if err != nil {
		return a.noPhotos(err)
	}
	t := &parquetTable{archive: a, rows: f.NumRows(), column: chosen.image}
	var packed int64
	start := int64(0)
	for i, group := range f.RowGroups() {
		t.starts = append(t.starts, start)
		start += group.NumRows()
		packed += f.Metadata().RowGroups[i].Columns[chosen.image].MetaData.TotalUncompressedSize
	}
	if start != t.rows || packed < 0 {
		return a.damaged(fmt.Errorf("%d rows in its groups, %d in all", start, t.rows), "")
	}
	t.nominal = max(1, packed/max(1, t.rows))
	for i, group := range f.RowGroups() {
		if err := t.listGroup(group, chosen, t.starts[i], each); err != nil {
			return err
		}
	}
	return nil
}

// isString reports whether a column contains text, as files of either age say it.
func isString(t parquet.Type) bool {
	if logical := t.LogicalType(); logical != nil {
		if _, ok := logical.Value.(*format.StringType); ok {
			return true
		}
	}
	converted := t.ConvertedType()
	return converted != nil && *converted == deprecated.UTF8
}

// listGroup lists the rows of a group, whose first is start.
func (t *parquetTable) listGroup(group parquet.RowGroup, chosen tableColumns, start int64,
	each func(Member) error) error {
	label := func() (string, error) { return "", nil }
	if chosen.label >= 0 {
		values := parquet.NewColumnChunkValueReader(group.ColumnChunks()[chosen.label])
		defer func() { _ = values.Close() }() // only read
		value := make([]parquet.Value, 1)
		label = func() (string, error) { return nextLabel(values, value, &chosen) }
	}
	for row := start; row < start+group.NumRows(); row++ {
		class, err := label()
		if err != nil {
			return t.damaged(err, "row "+rowName(row, t.rows))
		}
		m := Member{Name: rowName(row, t.rows), Size: t.nominal, At: &parquetCell{t, row}, Label: class, Row: true}
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// nextLabel returns the label in the next row, "" for none.
func nextLabel(values parquet.ValueReader, value []parquet.Value, chosen *tableColumns) (label string, err error) {
	defer func() { // of damaged pages
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if _, err := values.ReadValues(value); err != nil {
		return "", err
	}
	switch v := value[0]; {
	case v.IsNull():
		return "", nil
	case v.Kind() == parquet.ByteArray:
		return string(v.ByteArray()), nil
	case v.Kind() == parquet.Int32:
		return chosen.className(int64(v.Int32()))
	default:
		return chosen.className(v.Int64())
	}
}
