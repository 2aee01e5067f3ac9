package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fx/internal/dataset"
	"fx/internal/photoio"
	"fx/internal/progress"
	"fx/internal/source"
)

// Content identifies the bytes of a photo's file when it was read.
type Content struct {
	SHA256  SHA256
	Size    int64
	ModTime time.Time // zero if the file changed while it was read
	Inode   uint64
}

// ContentOf returns the Content of a file that was read with its SHA-256.
func ContentOf(f photoio.File) Content {
	return Content{SHA256: SHA256(f.SHA256), Size: f.Size, ModTime: f.ModTime, Inode: f.Inode}
}

// Load reads a photo and returns its bytes with their Content. Errors are those of photoio.ReadFile.
func Load(ctx context.Context, from source.Source) ([]byte, Content, error) {
	data, file, err := photoio.ReadFile(ctx, from)
	if err != nil {
		return nil, Content{}, err
	}
	return data, ContentOf(file), nil
}

// hashFile is a variable for tests.
var hashFile = photoio.Hash

// hashes is the result of hashAll, by index into its items.
type hashes struct {
	found  map[int]Content
	denied map[int]bool // it may not be read, so its content is unknown
}

// hashAll hashes the photos items[i] for every i in which, on all cores. An unusable photo has no hash: the reason is
// reported when it is decoded. The first system error ends it.
func hashAll(ctx context.Context, items []Entry, which []int, report progress.Reporter) (hashes, error) {
	task := report.Begin("hash photos", int64(len(which)), "photos")
	defer task.End()
	all := hashes{found: make(map[int]Content, len(which)), denied: map[int]bool{}}
	var mutex sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	if slices.ContainsFunc(which, func(i int) bool { return source.Remote(items[i].Source()) }) {
		group.SetLimit(32) // most of the time is waiting
	}
	for _, i := range which {
		group.Go(func() error {
			file, err := hashFile(groupCtx, items[i].Source())
			task.Add(1)
			mutex.Lock()
			defer mutex.Unlock()
			var unusable *photoio.Unusable
			switch {
			case err == nil:
				all.found[i] = ContentOf(file)
			case errors.Is(err, fs.ErrPermission):
				all.denied[i] = true
			case !errors.As(err, &unusable):
				return err
			}
			return nil
		})
		if groupCtx.Err() != nil {
			break
		}
	}
	return all, cmp.Or(group.Wait(), ctx.Err())
}

// Entry is a photo that the store shall contain.
type Entry struct {
	dataset.Item
	Views int // random views to keep besides the centre view, which is view 0
}

// statEntry returns what is remembered of the photo, which was read as c. The size of a photo in a table is known only
// when it is read; it is remembered under the size in the listing.
func (e *Entry) statEntry(c Content) statEntry {
	if e.At != nil {
		c.Size = e.Size
	}
	return statEntry{e.Rel, c}
}

// Rejected returns the rejection of the photo; c is its content if that is at fault, else zero.
func (e *Entry) Rejected(reason string, c Content) Rejected {
	return Rejected{Path: e.Rel, Reason: reason, Content: e.statEntry(c).content}
}
