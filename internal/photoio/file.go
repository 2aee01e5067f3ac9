package photoio

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/userfile"
)

// File describes a photo's file as it was read.
type File struct {
	SHA256  [sha256.Size]byte // zero if it was not requested
	Size    int64
	ModTime time.Time // zero if the file changed while it was read
	Inode   uint64    // zero if the system has none
}

// Unusable is why a photo can't be used. Another try fails too unless the photo changes.
type Unusable struct{ Err error }

// Error returns the reason, without the photo's name.
func (u *Unusable) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unusable) Unwrap() error { return u.Err }

// ReadFile reads the whole file at path, which need not be a photo, and its SHA-256. Errors: Unusable, fail.System,
// the context's.
func ReadFile(ctx context.Context, path string) ([]byte, File, error) {
	if _, err := size(ctx, path); err != nil {
		return nil, File{}, err
	}
	return content(ctx, path, request{limit: imaging.MaxFile, hash: true})
}

// Hash is ReadFile, but returns only the File with its SHA-256.
func Hash(ctx context.Context, path string) (File, error) {
	if _, err := size(ctx, path); err != nil {
		return File{}, err
	}
	return retry(ctx, path, func() (File, error) {
		f, err := open(path, request{limit: imaging.MaxFile})
		if err != nil {
			return File{}, err
		}
		defer f.close()
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err != nil {
			return File{}, err
		}
		file := f.facts(n)
		h.Sum(file.SHA256[:0])
		return file, nil
	})
}

// size returns the length of the photo at path without opening it, because opening a device may have effects. An empty
// file is Unusable, and so are those of /proc, whose size is 0 and which may never end.
func size(ctx context.Context, path string) (int64, error) {
	return retry(ctx, path, func() (int64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), vet(info)
	})
}

// vet refuses a file that can't be a photo by its mode and size.
func vet(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return &Unusable{errors.New("can't be read: not a regular file")}
	case info.Size() == 0:
		return &Unusable{errors.New("empty file")}
	case info.Size() > imaging.MaxFile:
		return tooLong(info.Size(), imaging.MaxFile)
	}
	return nil
}

func tooLong(size, most int64) error {
	return &Unusable{fmt.Errorf("a file of %d bytes is too long for a photo of its kind: at most %d are read", size,
		most)}
}

// request holds options of reading a file.
type request struct {
	limit int64 // bytes that fit in memory
	photo bool  // a file that does not begin as a photo is Unusable
	hash  bool  // SHA256 is needed
}

// content reads the file at path.
func content(ctx context.Context, path string, ask request) ([]byte, File, error) {
	type read struct {
		data []byte
		file File
	}
	r, err := retry(ctx, path, func() (r read, err error) {
		f, err := open(path, ask)
		if err != nil {
			return r, err
		}
		defer f.close()
		r.data = make([]byte, f.info.Size())
		n, err := io.ReadFull(f, r.data)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the file has shrunk
			return r, err
		}
		r.data = r.data[:n]
		r.file = f.facts(int64(n))
		if ask.hash {
			r.file.SHA256 = sha256.Sum256(r.data)
		}
		return r, nil
	})
	return r.data, r.file, err
}

// longer means that a file has grown beyond its memory.
type longer struct{ size int64 }

func (l *longer) Error() string { return fmt.Sprintf("the file has grown to %d bytes", l.size) }

// sniffed is how many bytes of a file are read to detect its format.
const sniffed = 64

// opened is a photo's file, which is read up to its size at the time of opening.
type opened struct {
	io.Reader
	file *os.File
	info fs.FileInfo
}

// open opens the file at path and reads its beginning. It refuses files that are too long for a photo of their format
// or for ask.
func open(path string, ask request) (f *opened, err error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = file.Close() // it was only read
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := vet(info); err != nil {
		return nil, err
	}
	head := make([]byte, min(sniffed, info.Size()))
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	most, err := imaging.MaxFileSize(head[:n])
	if err != nil && ask.photo {
		return nil, &Unusable{err}
	}
	if info.Size() > most {
		return nil, tooLong(info.Size(), most)
	}
	if info.Size() > ask.limit {
		return nil, &longer{info.Size()}
	}
	return &opened{Reader: io.LimitReader(file, info.Size()), file: file, info: info}, nil
}

func (f *opened) close() { _ = f.file.Close() } // it was only read

// facts returns the File of f, of which n bytes were read.
func (f *opened) facts(n int64) File {
	r := File{Size: n, ModTime: f.info.ModTime(), Inode: inode(f.info)}
	after, err := f.file.Stat()
	if err != nil || n != f.info.Size() || after.Size() != n || !after.ModTime().Equal(r.ModTime) {
		r.ModTime = time.Time{}
	}
	return r
}

// pauses are the pauses before further tries after a system error.
var pauses = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}

// retry calls f until it succeeds, fails because of the photo, or has failed after every pause. It returns soon after
// ctx ends, even if f still waits for a system that never answers.
func retry[T any](ctx context.Context, path string, f func() (T, error)) (T, error) {
	var none T
	for attempt := 0; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return none, err
		}
		value, err := userfile.Abandon(ctx, f)
		var bad *Unusable
		var grown *longer
		switch {
		case ctx.Err() != nil:
			return none, ctx.Err()
		case err == nil || errors.As(err, &bad) || errors.As(err, &grown):
			return value, err
		case fail.AboutFile(err):
			return none, &Unusable{fmt.Errorf("can't be read: %w", withoutPath(err))}
		case attempt == len(pauses):
			return none, systemError(path, err)
		}
		select {
		case <-time.After(pauses[attempt]):
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// systemError is the error for a photo that the system failed to read.
func systemError(path string, err error) error {
	hint := "The disk or the network drive failed, not fx. Finished work is kept, and the same command continues " +
		"once the photo can be read again. If it can't, restore or remove the photo."
	if outOfDescriptors(err) {
		hint = "Too many files are open at once: raise the limit, for example with `ulimit -n 4096`, or use fewer " +
			"--workers."
	}
	kind := fail.System
	if fail.KindOf(err) == fail.DiskFull { // such as a network drive's
		kind = fail.DiskFull
	}
	return fail.Wrap(kind, withoutPath(err), hint, "cannot read %s", path)
}

// withoutPath removes the path from a file's error, because the caller names the photo.
func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
