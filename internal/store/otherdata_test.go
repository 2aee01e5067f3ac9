package store

import (
	"os"
	"path/filepath"
	"testing"

	"fx/internal/fail"
)

// A slip in a path must not cost the rows of a store; photos that moved or came do not.
func TestOtherPhotosCostNoRow(t *testing.T) {
	all := somePhotos(3)
	few := photos{}
	for rel, content := range all {
		if filepath.Base(rel) == "000.jpg" {
			few[rel] = content
		}
	}
	for name, shard := range map[string]Shard{"whole": {}, "shard": {Index: 1, Count: 2}} {
		r := newRun(t, all)
		r.manifest.Made.Data = r.root
		r.mustDo(t)
		before := files(t, r.dir)

		other := r
		other.options.Shard = shard
		other.root = t.TempDir()
		few.write(t, other.root)
		other.manifest.Made.Data = other.root
		if _, err := other.do(t); fail.KindOf(err) != fail.Usage {
			t.Errorf("%s: fewer photos of another folder: %v", name, err)
		}
		same(t, name+": the store after a refusal", files(t, r.dir), before)
	}

	r := newRun(t, all)
	r.manifest.Made.Data = r.root
	r.mustDo(t)
	moved := r
	moved.root = filepath.Join(t.TempDir(), "moved")
	must(t, os.Rename(r.root, moved.root))
	moved.manifest.Made.Data = moved.root
	if o := moved.mustDo(t); o.summary.Dropped != 0 || o.plan.MissingRows != 0 {
		t.Errorf("moved photos: %+v, %+v", o.plan, o.summary)
	}
	few.write(t, moved.root)
	if o := moved.mustDo(t); o.summary.Dropped != 8 {
		t.Errorf("photos removed from the same folder: %+v", o.summary)
	}
	all.write(t, r.root) // where they were
	if o := r.mustDo(t); o.summary.Dropped != 0 || o.plan.MissingRows != 8 {
		t.Errorf("more photos: %+v, %+v", o.plan, o.summary)
	}
	few.write(t, moved.root)
	moved.options.ReplaceData = true
	if o := moved.mustDo(t); o.summary.Dropped != 8 {
		t.Errorf("fewer photos on purpose: %+v", o.summary)
	}
	moved.check(t, few)
}
