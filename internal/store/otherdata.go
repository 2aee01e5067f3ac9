package store

import (
	"fx/internal/fail"
	"fx/internal/paths"
)

// keepsRows returns an error if the photos are of another folder or list than the stored rows and Finish would drop
// rows: a wrong path must not lose computed rows. The folder of the photos may have moved, because rows have paths
// relative to it. All shards decide alike if photos are missing.
func (w *Writer) keepsRows(entries []Entry) error {
	was, now := w.stored.Made.Data, w.manifest.Made.Data
	if w.options.Force || w.options.ReplaceData || was == "" || now == "" || paths.Same(was, now) {
		return nil
	}
	wanted := make(map[string]bool, len(entries))
	for i := range entries {
		wanted[entries[i].Rel] = true
	}
	live, lost := w.newLiveRows(), Summary{}
	for _, f := range w.folder.files {
		for i := range f.rows {
			if path := f.rows[i].path; !w.options.Shard.Owns(path) && !wanted[path] {
				lost.Dropped++
			}
		}
		live.keepOrDrop(f, &lost)
	}
	if lost.Dropped == 0 {
		return nil
	}
	return fail.New(fail.Usage, "Choose another --out for these photos, or drop those rows with --force.",
		"%s holds the photos of %s: %d of its rows would be dropped for those of %s", w.dir, was, lost.Dropped, now)
}
