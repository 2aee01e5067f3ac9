package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/userfile"
)

// checkedFile lists the shards whose content a writer has compared with their seals. The next writer compares only new
// and changed ones. The file may be deleted at any time.
const checkedFile = "checked"

// fileStat identifies an unchanged file. A write to a file, or a copy to another disk, changes the time of change.
type fileStat struct {
	Size     int64  `json:"size"`
	Inode    uint64 `json:"inode"`
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Changed  int64  `json:"changed"`  // likewise, of content or name
}

func fileStatOf(f *os.File) (fileStat, error) {
	s, err := durable.StateOf(f)
	return fileStat{s.Size, s.Inode, s.Modified, s.Changed}, err
}

// settled reports whether the file has not changed for long enough: a second write within the clock's resolution would
// not change its times.
func (s fileStat) settled(now time.Time) bool {
	return now.Sub(time.Unix(0, max(s.Modified, s.Changed))) >= racy
}

// checkedShard is a line of the file.
type checkedShard struct {
	Name   string   `json:"name"`
	SHA256 string   `json:"sha256"` // of its content, as in its seal
	Stat   fileStat `json:"stat"`
}

type checkedJSON struct {
	FormatVersion int            `json:"format_version"`
	Shards        []checkedShard `json:"shards"`
}

func checkedName(shard Shard) string { return checkedFile + shard.suffix() + ".json" }

// readChecked returns the shards that the file lists: none if the file is missing or damaged.
func readChecked(dir string, shard Shard) map[checkedShard]bool {
	text, err := userfile.ReadJSON(filepath.Join(dir, checkedName(shard)))
	var all checkedJSON
	if err != nil || checksum.Verify(checkedFile, text) != nil || json.Unmarshal(text, &all) != nil ||
		all.FormatVersion != formatVersion {
		return nil
	}
	known := make(map[checkedShard]bool, len(all.Shards))
	for _, s := range all.Shards {
		known[s] = true
	}
	return known
}

func (f *shardFile) checkedShard() checkedShard {
	return checkedShard{f.name, hex.EncodeToString(f.seal.whole[:]), f.stat}
}

// forgetChecks makes the next writer compare everything. A reader that found damage calls it; it is not an error if
// that fails.
func forgetChecks(dir string) {
	entries, _ := os.ReadDir(dir) // what can't be listed can't be removed either
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), checkedFile) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// mine reports whether this process drops the file if it is damaged. The processes of a sharded job do not drop each
// other's files, because they compute only their own rows.
func (w *Writer) mine(f *shardFile) bool {
	n, _ := parseShardName(f.name)
	return w.options.Shard.whole() || n.shard == w.options.Shard
}

// checkShards compares the content of this process's files: of all, or of those that were not checked before. It drops
// damaged ones.
func (w *Writer) checkShards(ctx context.Context) error {
	var known map[checkedShard]bool
	if !w.options.VerifyContent {
		known = readChecked(w.dir, w.options.Shard)
	}
	for _, f := range w.folder.files {
		f.known = known[f.checkedShard()]
	}
	which := func(f *shardFile) bool { return !f.known && w.mine(f) }
	if err := w.folder.checkContent(ctx, w.dir, which, nil, w.options.Progress); err != nil {
		return err
	}
	w.noteChecks(w.folder.files, known)
	return w.dropDamaged()
}

// dropDamaged removes the damaged files. The plan then lacks their rows.
func (w *Writer) dropDamaged() error {
	for _, d := range w.folder.damaged {
		if d.foreign() {
			return d.report()
		}
		name := filepath.Base(d.path)
		for _, listed := range w.folder.index.Shards {
			if listed.Name == name && d.rows == 0 {
				d.rows = listed.Rows
			}
		}
		w.damaged += d.rows
		rows := "its rows" // their number is unknown
		if d.rows > 0 {
			rows = fmt.Sprintf("its %d rows", d.rows)
		}
		w.options.Progress.Note(fmt.Sprintf("%v: the file is dropped and %s are computed again", d, rows))
		if err := remove(w.dir, name); err != nil {
			return err
		}
	}
	return nil
}

// noteChecks lists the files whose content this process checked or wrote, unless they are listed already.
func (w *Writer) noteChecks(files []*shardFile, known map[checkedShard]bool) {
	all := checkedJSON{FormatVersion: formatVersion, Shards: []checkedShard{}}
	now, news := time.Now(), false
	for _, f := range files {
		if s := f.checkedShard(); (f.checked || f.known) && w.mine(f) && s.Stat.settled(now) {
			all.Shards = append(all.Shards, s)
			news = news || !known[s]
		}
	}
	if !news && len(all.Shards) == len(known) {
		return
	}
	text, err := checksum.Marshal(all)
	if err == nil {
		err = durable.WriteBytes(filepath.Join(w.dir, checkedName(w.options.Shard)), text)
	}
	if err != nil {
		w.options.Progress.Note(fmt.Sprintf("cannot note which files were checked, so that the next run checks them "+
			"again: %v", err))
	}
}

// wrote remembers the state in which this process left the file.
func (w *Writer) wrote(name string) {
	f, err := durable.OpenToRead(filepath.Join(w.dir, name))
	if err != nil {
		return // it will be checked later
	}
	defer func() { _ = f.Close() }() // it was only examined
	if stat, err := fileStatOf(f); err == nil {
		w.finished[name] = stat
	}
}

// ensure returns an error for a damaged file before its rows are written to another: the rows would get a new seal,
// which hides the damage. A file may be damaged after it was checked. The next run drops it.
func (w *Writer) ensure(ctx context.Context, f *shardFile) error {
	if f.checked {
		return nil
	}
	err := f.checkContent(ctx, w.dir, nil, func(int64) {})
	if damage, ok := err.(*damagedError); ok {
		forgetChecks(w.dir)
		return damage.report()
	}
	return err
}
