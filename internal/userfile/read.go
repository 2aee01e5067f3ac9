package userfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"fx/internal/durable"
)

// ErrTooLarge means that a file has more bytes or parts than accepted.
var ErrTooLarge = errors.New("too large")

// Read returns the content of the regular file at path. It returns the errors of os.ReadFile, durable.ErrNotRegular,
// and ErrTooLarge if the file has more than limit bytes. It never blocks on a pipe.
func Read(path string, limit int64) ([]byte, error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return nil, err
	}
	return readBounded(f, limit)
}

// ReadText is Read for text that people write by hand or pipe into fx: path may also be a pipe, such as /dev/stdin. It
// returns ctx's error when ctx ends.
func ReadText(ctx context.Context, path string, limit int64) ([]byte, error) {
	return Abandon(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return readBounded(f, limit)
	})
}

// readBounded reads f to its end, and closes it.
func readBounded(f *os.File, limit int64) ([]byte, error) {
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	var text bytes.Buffer
	if size <= limit {
		text.Grow(int(size) + bytes.MinRead)                // so that a large file is never copied
		_, err := text.ReadFrom(io.LimitReader(f, limit+1)) // files of /proc have size 0, and a file may grow
		if err != nil {
			return nil, err
		}
	}
	if size > limit || int64(text.Len()) > limit {
		return nil, &os.PathError{Op: "read", Path: f.Name(),
			Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	}
	return text.Bytes(), nil
}

// Abandon returns what f returns, or ctx's error as soon as ctx ends. f then continues in the background, so it must
// have no side effects. Use it for work such as parsing in a process that is about to end.
func Abandon[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := f()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}
