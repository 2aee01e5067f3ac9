package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/photoio"
	"fx/internal/source"
)

// hashes replaces how the photo at path is hashed. No test may run beside it.
func (r run) hashes(t *testing.T, name string, err error) {
	t.Helper()
	path := filepath.Join(r.root, name)
	must(t, os.Chtimes(path, testTime, testTime.Add(time.Hour))) // so that it is hashed again
	hashFile = func(ctx context.Context, from source.Source) (photoio.File, error) {
		if from == source.File(path) && err != nil {
			return photoio.File{}, err
		}
		return photoio.Hash(ctx, from)
	}
	t.Cleanup(func() { hashFile = photoio.Hash })
}

func TestASystemThatFailsEndsThePlan(t *testing.T) {
	r := newRun(t, somePhotos(3))
	first := r.mustDo(t)
	before := files(t, r.dir)
	r.hashes(t, "train/ants/001.jpg", fail.Wrap(fail.System, syscall.EIO, "", "cannot read a photo"))
	if _, err := r.do(t); fail.KindOf(err) != fail.System {
		t.Errorf("%v", err)
	}
	same(t, "store", files(t, r.dir), before)
	r.hashes(t, "train/ants/001.jpg", nil)
	if o := r.mustDo(t); len(o.computed) != 0 || o.summary.Dropped != 0 || o.summary.Rows != first.summary.Rows {
		t.Errorf("afterwards: computed %v, %+v", o.computed, o.summary)
	}
}

func TestAPhotoThatMayNotBeReadKeepsItsRow(t *testing.T) {
	const name = "train/ants/001.jpg"
	p := somePhotos(3)
	r := newRun(t, p)
	first := r.mustDo(t)
	content := p[name]
	p[name] = "bad" // what nobody may read is rejected
	p.write(t, r.root)
	r.hashes(t, name, &photoio.Unusable{Err: syscall.EACCES})
	o := r.mustDo(t)
	if len(o.rejected) != 1 || o.summary.Dropped != 0 || o.summary.Unread != 1 || o.summary.Rows != first.summary.Rows {
		t.Errorf("rejected %v, %+v", o.rejected, o.summary)
	}
	p[name] = content
	p.write(t, r.root)
	r.hashes(t, name, nil)
	if o := r.mustDo(t); len(o.computed) != 0 || o.summary.Unread != 0 || o.summary.Rows != first.summary.Rows {
		t.Errorf("readable again: computed %v, %+v", o.computed, o.summary)
	}
	must(t, os.Remove(filepath.Join(r.root, name)))
	r.hashes(t, "train/ants/000.jpg", nil)
	if o := r.mustDo(t); o.summary.Dropped != 1 || len(o.rejected) != 0 {
		t.Errorf("removed: rejected %v, %+v", o.rejected, o.summary)
	}
}
