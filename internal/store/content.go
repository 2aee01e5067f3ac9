package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"fx/internal/dataset"
	"fx/internal/progress"
)

// Content is which bytes a photo's file held when it was read.
type Content struct {
	SHA256  SHA256
	Size    int64
	ModTime time.Time // zero where the file changed while it was read
	Inode   uint64
}

// maxPhoto bounds the memory that one file can ask for.
const maxPhoto = 1 << 30

// Load reads the photo at path and says what it read, so that a pipeline that
// needs the bytes anyway hashes them on the way. A file that is no regular
// file is an error, and never blocks.
func Load(path string) ([]byte, Content, error) {
	var data []byte
	c, err := read(path, func(f io.Reader, size int64) (hash.Hash, int64, error) {
		// One byte more than the size, so that the end is seen without growing.
		data = make([]byte, size+1)
		n, err := io.ReadFull(f, data)
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = nil
		} else if err == nil { // it grew
			var rest []byte
			rest, err = io.ReadAll(f)
			data = append(data, rest...)
			n = len(data)
		}
		data = data[:n]
		h := sha256.New()
		h.Write(data)
		return h, int64(n), err
	})
	if err != nil {
		return nil, Content{}, err
	}
	return data, c, nil
}

// hashFile is Load without keeping the bytes.
func hashFile(path string) (Content, error) {
	return read(path, func(f io.Reader, _ int64) (hash.Hash, int64, error) {
		h := sha256.New()
		n, err := io.Copy(h, f)
		return h, n, err
	})
}

func read(path string, consume func(f io.Reader, size int64) (hash.Hash, int64, error)) (Content, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not block here
	if err != nil {
		return Content{}, err
	}
	defer func() { _ = f.Close() }() // only read
	before, err := f.Stat()
	if err != nil {
		return Content{}, err
	}
	if !before.Mode().IsRegular() {
		return Content{}, &os.PathError{Op: "read", Path: path, Err: errors.New("no regular file")}
	}
	if before.Size() > maxPhoto {
		return Content{}, &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("%d bytes are too many for a photo", before.Size())}
	}
	h, n, err := consume(io.LimitReader(f, maxPhoto), before.Size())
	if err != nil {
		return Content{}, err
	}
	c := Content{Size: n, ModTime: before.ModTime(), Inode: inode(before)}
	h.Sum(c.SHA256[:0])
	if after, err := f.Stat(); err != nil || n != before.Size() || after.Size() != n || !after.ModTime().Equal(c.ModTime) {
		c.ModTime = time.Time{}
	}
	return c, nil
}

func inode(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// hashAll hashes the photos of items[i] for every i of which, on all cores. A
// photo that cannot be read has no entry in the result: whoever decodes it says why.
func hashAll(ctx context.Context, items []Entry, which []int, report progress.Reporter) (map[int]Content, error) {
	task := report.Begin("hash photos", int64(len(which)), "photos")
	defer task.End()
	var (
		mutex sync.Mutex
		found = make(map[int]Content, len(which))
		next  = make(chan int)
		group sync.WaitGroup
	)
	for range max(2, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				c, err := hashFile(items[i].Path)
				if err == nil {
					mutex.Lock()
					found[i] = c
					mutex.Unlock()
				}
				task.Add(1)
			}
		})
	}
	var err error
	for _, i := range which {
		if err = ctx.Err(); err != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	return found, err
}

// Entry is a photo to be in the store.
type Entry struct {
	dataset.Item
	Views int // random views to keep besides the centre view, which is view 0
}
