package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/userfile"
)

// plannedFile lists the parts of the last plan, so that readers can tell whether all are done.
const plannedFile = "planned.json"

type plannedJSON struct {
	FormatVersion int      `json:"format_version"`
	Parts         []string `json:"parts"` // their IDs
}

// PlanParts finds the entries of which the store lacks rows, and returns their indexes. It reads no photo: a file whose
// hash the statcache does not know is missing. The Plan has no chunks. It takes the place of Plan for a writer of the
// whole job, which must not call Finish.
func (w *Writer) PlanParts(ctx context.Context, entries []Entry) (*Plan, []int, error) {
	if err := w.check(entries); err != nil {
		return nil, nil, err
	}
	w.entries, w.content = entries, make([]known, len(entries))
	rows := w.rowsInStore()
	p := &Plan{Photos: len(entries), DamagedRows: w.damaged}
	var lacking []int
	for i := range entries {
		e := &entries[i]
		p.Rows += e.Views + 1
		sha, ok := w.stats.lookup(e)
		w.content[i] = known{sha, ok}
		have := 0
		for view := 0; ok && view <= e.Views; view++ {
			if _, there := rows.byPath[keyOfRow(e.Rel, sha, int32(view))]; there {
				have++
			}
		}
		p.CachedRows += have
		r, rejected := w.rejected.lookupContent(e, w.content[i])
		switch {
		case have == e.Views+1:
			p.CachedPhotos++
		case have == 0 && rejected:
			p.Rejected = append(p.Rejected, Rejection{i, r.Reason})
		default:
			p.MissingRows += e.Views + 1
			lacking = append(lacking, i)
		}
	}
	if err := w.keepsRows(entries); err != nil {
		return nil, nil, err
	}
	w.plan = p
	return p, lacking, w.updateManifest(ctx, p)
}

// NotePlanned records the IDs of the planned parts for readers.
func (w *Writer) NotePlanned(ids []string) error {
	text, err := checksum.Marshal(plannedJSON{FormatVersion: formatVersion, Parts: append([]string{}, ids...)})
	if err != nil {
		return err
	}
	path := filepath.Join(w.dir, plannedFile)
	if old, err := durable.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeFailed(writeFile(path, text), path, len(text))
}

// partsOf returns how many parts the last plan for the store in dir has, and how many of them are not done. A list that
// can't be read has none: it is not needed to read rows.
func partsOf(dir string) (planned, open int) {
	text, err := userfile.ReadJSON(filepath.Join(dir, plannedFile))
	var all plannedJSON
	if err != nil || checksum.Verify(plannedFile, text) != nil || json.Unmarshal(text, &all) != nil ||
		all.FormatVersion != formatVersion {
		return 0, 0
	}
	for _, id := range all.Parts {
		if _, err := os.Lstat(filepath.Join(dir, partName(id, "log"))); err != nil {
			open++
		}
	}
	return len(all.Parts), open
}

// takeIn makes the file of a part, which has only rows that stay, a shard of the whole job with the next free number.
func (w *Writer) takeIn(f *shardFile) error {
	name := w.nextName()
	from, to := filepath.Join(w.dir, f.name), filepath.Join(w.dir, name)
	if err := writeFailed(os.Rename(from, to), to, 0); err != nil {
		return err
	}
	f.name = name
	w.wrote(name)
	f.stat = w.finished[name]
	return durable.SyncDir(w.dir)
}

// partLogs returns the paths of the parts' logs in dir.
func partLogs(dir string) ([]string, error) {
	all, err := logsIn(dir, "part-")
	var logs []string
	for _, log := range all {
		if isPartLog(filepath.Base(log)) {
			logs = append(logs, log)
		}
	}
	return logs, err
}

// dropPartLogs removes what a run of the whole job has taken into its own logs, and the plan that it has completed.
func (w *Writer) dropPartLogs() error {
	if len(w.partLogs) > 0 {
		if err := w.stats.rewrite(w.entries); err != nil {
			return err
		}
	}
	for _, log := range w.partLogs {
		if err := remove(w.dir, filepath.Base(log)); err != nil {
			return err
		}
	}
	return remove(w.dir, plannedFile)
}

// lackingParts is the sentence about parts that are not done, or "".
func (f *folder) lackingParts() string {
	if f.open == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the %d parts of the last plan are not done", f.open, f.planned)
}

// isPart reports whether a file of the store is that of a part.
func isPart(name string) bool { return strings.HasPrefix(name, "part-") }
