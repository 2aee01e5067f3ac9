package photoio

import (
	"context"
	"fmt"
	"time"

	"fx/internal/source"
)

// tooSlow returns the Unusable for a photo that takes longer than the timeout.
func (r *Reader) tooSlow() error {
	return &Unusable{Err: fmt.Errorf("reading and decoding it takes longer than %s", r.timeout)}
}

// size is the function size within the timeout.
func (r *Reader) size(ctx context.Context, from source.Source) (int64, error) {
	if r.timeout == 0 {
		return size(ctx, from)
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	bytes, err := size(limited, from)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return 0, r.tooSlow()
	}
	return bytes, err
}

// inTime is read within the timeout. After it, reading and decoding go on in the background until they end, and keep
// the lease until then: C's decoders can't be stopped, nor can a read from a drive that never answers.
func (r *Reader) inTime(ctx context.Context, from source.Source, l *lease) (*Photo, int64, error) {
	if r.timeout == 0 {
		return r.read(ctx, from, l)
	}
	type result struct {
		photo *Photo
		more  int64
		err   error
	}
	done := make(chan result, 1)
	go func() {
		photo, more, err := r.read(ctx, from, l)
		done <- result{photo, more, err}
	}()
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	select {
	case got := <-done:
		return got.photo, got.more, got.err
	case <-timer.C:
	}
	go func() {
		if late := <-done; late.photo != nil {
			late.photo.Release()
		}
	}()
	return nil, 0, r.tooSlow()
}
