package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fx/internal/dataset"
	"fx/internal/photoio"
	"fx/internal/progress"
)

// Content is which bytes a photo's file held when it was read.
type Content struct {
	SHA256  SHA256
	Size    int64
	ModTime time.Time // zero where the file changed while it was read
	Inode   uint64
}

// ContentOf is what was read of a photo, with its SHA-256.
func ContentOf(f photoio.File) Content {
	return Content{SHA256: SHA256(f.SHA256), Size: f.Size, ModTime: f.ModTime, Inode: f.Inode}
}

// Load reads the photo at path and says what it read. Errors are those of photoio.ReadFile.
func Load(ctx context.Context, path string) ([]byte, Content, error) {
	data, file, err := photoio.ReadFile(ctx, path)
	if err != nil {
		return nil, Content{}, err
	}
	return data, ContentOf(file), nil
}

// hashFile is a variable for tests.
var hashFile = photoio.Hash

// hashes is what hashAll finds, by index into its items.
type hashes struct {
	found  map[int]Content
	denied map[int]bool // the rights to read it are lacking, so that nobody knows what it holds
}

// hashAll hashes the photos of items[i] for every i of which, on all cores. A photo that can't
// be used is not found: whoever decodes it says why. The first error of the system ends it.
func hashAll(ctx context.Context, items []Entry, which []int, report progress.Reporter) (hashes, error) {
	task := report.Begin("hash photos", int64(len(which)), "photos")
	defer task.End()
	all := hashes{found: make(map[int]Content, len(which)), denied: map[int]bool{}}
	var mutex sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, i := range which {
		group.Go(func() error {
			file, err := hashFile(groupCtx, items[i].Path)
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

// Entry is a photo to be in the store.
type Entry struct {
	dataset.Item
	Views int // random views to keep besides the centre view, which is view 0
}
