package photoio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/source"
	"fx/internal/userfile"
)

// File describes the bytes of a photo as they were read. Size, ModTime and Inode are those of source.Stat.
type File struct {
	SHA256  [sha256.Size]byte // zero if it was not requested
	Size    int64
	ModTime time.Time // zero if the file changed while it was read
	Inode   uint64    // zero if the system has none
}

// Unusable is why a photo can't be used. Another try fails too unless the photo changes.
type Unusable struct {
	Err error
	// File is what was read and can't be used, as far as it was read: without a hash if the beginning or the length
	// was enough. It is zero if the content is not at fault: a missing permission, or a timeout.
	File File
}

// Error returns the reason, without the photo's name.
func (u *Unusable) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unusable) Unwrap() error { return u.Err }

// ReadFile reads all bytes of a source, which need not be a photo, and their SHA-256. Errors: Unusable, fail.System,
// the context's.
func ReadFile(ctx context.Context, from source.Source) ([]byte, File, error) {
	if _, err := size(ctx, from); err != nil {
		return nil, File{}, err
	}
	return content(ctx, from, request{limit: imaging.MaxFile, hash: true})
}

// Hash is ReadFile, but returns only the File with its SHA-256.
func Hash(ctx context.Context, from source.Source) (File, error) {
	if _, err := size(ctx, from); err != nil {
		return File{}, err
	}
	return retry(ctx, from, func() (File, error) {
		f, err := open(from, request{limit: imaging.MaxFile})
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

// size returns the length of the photo without opening it, because opening a device may have effects. An empty file is
// Unusable, and so are those of /proc, whose size is 0 and which may never end.
func size(ctx context.Context, from source.Source) (int64, error) {
	return retry(ctx, from, func() (int64, error) {
		stat, err := from.Stat()
		if err != nil {
			return 0, err
		}
		return stat.Size, vet(stat)
	})
}

// vet refuses bytes that can't be a photo by their number.
func vet(stat source.Stat) error {
	switch {
	case stat.Size == 0:
		return unread(stat, errors.New("empty file"))
	case stat.Size > imaging.MaxFile:
		return tooLong(stat, imaging.MaxFile)
	}
	return nil
}

func tooLong(stat source.Stat, most int64) error {
	return unread(stat, fmt.Errorf("a file of %d bytes is too long for a photo of its kind: at most %d are read",
		stat.Size, most))
}

// unread returns the Unusable for bytes that need not be read to know it.
func unread(stat source.Stat, err error) error {
	return &Unusable{Err: err, File: File{Size: stat.Size, ModTime: stat.ModTime, Inode: stat.Inode}}
}

// request holds options of reading a source.
type request struct {
	limit int64 // bytes that fit in memory
	photo bool  // a file that does not begin as a photo is Unusable
	hash  bool  // SHA256 is needed
}

// content reads all bytes of the source.
func content(ctx context.Context, from source.Source, ask request) ([]byte, File, error) {
	type read struct {
		data []byte
		file File
	}
	r, err := retry(ctx, from, func() (r read, err error) {
		f, err := open(from, ask)
		if err != nil {
			return r, err
		}
		defer f.close()
		r.data = make([]byte, f.stat.Size)
		n, err := io.ReadFull(f, r.data)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) { // the file has shrunk
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

// opened is an open source, which is read up to its size at the time of opening.
type opened struct {
	io.Reader
	content source.Content
	stat    source.Stat
}

// open opens the source and reads its beginning. It refuses bytes that are too many for a photo of their format or for
// ask.
func open(from source.Source, ask request) (f *opened, err error) {
	content, err := from.Open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = content.Close() // it was only read
		}
	}()
	stat, err := content.Stat()
	if err != nil {
		return nil, err
	}
	if err := vet(stat); err != nil {
		return nil, err
	}
	head := make([]byte, min(sniffed, stat.Size))
	n, err := io.ReadFull(content, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	most, err := imaging.MaxFileSize(head)
	if err != nil && ask.photo {
		return nil, unread(stat, err)
	}
	if stat.Size > most {
		return nil, tooLong(stat, most)
	}
	if stat.Size > ask.limit {
		return nil, &longer{stat.Size}
	}
	rest := io.MultiReader(bytes.NewReader(head), io.LimitReader(content, stat.Size-int64(n)))
	return &opened{Reader: rest, content: content, stat: stat}, nil
}

func (f *opened) close() { _ = f.content.Close() } // it was only read

// facts returns the File of f, of which n bytes were read.
func (f *opened) facts(n int64) File {
	r := File{Size: n, ModTime: f.stat.ModTime, Inode: f.stat.Inode}
	after, err := f.content.Stat()
	if err != nil || n != f.stat.Size || after.Size != n || !after.ModTime.Equal(r.ModTime) {
		r.ModTime = time.Time{}
	}
	return r
}

// pauses are the pauses before further tries after a system error.
var pauses = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}

// retry calls f until it succeeds, fails because of the photo, or has failed after every pause. It returns soon after
// ctx ends, even if f still waits for a system that never answers.
func retry[T any](ctx context.Context, from source.Source, f func() (T, error)) (T, error) {
	var none T
	for attempt := 0; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return none, err
		}
		value, err := userfile.Abandon(ctx, f)
		var bad *Unusable
		var grown *longer
		var damaged *source.Damaged
		var irregular source.NotRegular
		var explained *fail.Error
		switch {
		case ctx.Err() != nil:
			return none, ctx.Err()
		case err == nil || errors.As(err, &bad) || errors.As(err, &grown) || errors.As(err, &explained):
			return value, err
		case errors.As(err, &damaged) || errors.As(err, &irregular):
			return none, &Unusable{Err: err}
		case fail.AboutFile(err):
			return none, &Unusable{Err: fmt.Errorf("can't be read: %w", withoutPath(err))}
		case attempt == len(pauses):
			return none, systemError(from, err)
		}
		select {
		case <-time.After(pauses[attempt]):
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// systemError is the error for a photo that the system failed to read.
func systemError(from source.Source, err error) error {
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
	return fail.Wrap(kind, withoutPath(err), hint, "cannot read %s", from)
}

// withoutPath removes the path from a file's error, because the caller names the photo.
func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
