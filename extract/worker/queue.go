package worker

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"fx/internal/source"
)

// maxWaitingBytes limits the batches that wait for an answer: while they have as many bytes, no other is read.
const maxWaitingBytes = 256 << 20

// queue has the batches that were read and are not answered.
type queue struct {
	in      input
	most    int64         // while as many rows wait for an answer, no batch is read
	rows    atomic.Int64  // that wait; a batch without rows counts as one
	bytes   atomic.Int64  // of the batches that wait
	freed   chan struct{} // receives after an answer
	read    chan *batch   // closed after the last batch
	taken   chan *batch   // whose first row was taken, in order
	stopped chan struct{} // closed by stop
	ended   error         // why read is closed, nil at the end of the input; set before
	err     error         // ended, after take has come to it

	front *batch // take continues with its row at
	at    int

	open     *batch // of which answered rows are answered
	answered int
}

func newQueue(in input, most int) *queue {
	// The capacities suffice for all batches that wait, so sending never blocks.
	return &queue{in: in, most: int64(most), freed: make(chan struct{}, 1), stopped: make(chan struct{}),
		read: make(chan *batch, most), taken: make(chan *batch, most)}
}

// fill reads the input to its end, or until ctx ends or stop is called.
func (q *queue) fill(ctx context.Context) {
	defer close(q.read)
	for {
		for q.rows.Load() >= q.most || q.bytes.Load() >= maxWaitingBytes {
			select {
			case <-q.freed:
			case <-ctx.Done():
				return
			case <-q.stopped:
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		b, err := q.in.read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				q.ended = err
			}
			return
		}
		q.rows.Add(b.weight())
		q.bytes.Add(b.bytes)
		q.read <- b
	}
}

// stop ends fill once it has no input to wait for.
func (q *queue) stop() { close(q.stopped) }

// take returns the next rows, at most n: those that were read, or the first that comes. It returns an empty slice for
// a batch without rows, and nil after the last row. When reading has ended, it returns what was read and waits for
// nothing. The end of running ends it at once.
func (q *queue) take(running, reading context.Context, n int) []source.Source {
	var photos []source.Source
	for len(photos) < n && q.receive(running, reading, photos == nil) {
		all := q.front.photos
		if len(all) == 0 && photos != nil {
			return photos // the empty batch is the next call's
		}
		if q.at == 0 {
			q.taken <- q.front
		}
		end := min(len(all), q.at+n-len(photos))
		photos = append(photos, all[q.at:end]...)
		if q.at = end; end == len(all) {
			q.front, q.at = nil, 0
		}
		if len(all) == 0 {
			return []source.Source{}
		}
	}
	return photos
}

// receive makes the next batch the front one, if there is none. It returns false without a batch.
func (q *queue) receive(running, reading context.Context, wait bool) bool {
	if q.front != nil {
		return true
	}
	begin := func(b *batch, ok bool) bool {
		if !ok {
			q.err = q.ended
		}
		q.front = b
		return ok
	}
	select {
	case b, ok := <-q.read:
		return begin(b, ok)
	default:
	}
	if !wait {
		return false
	}
	select {
	case b, ok := <-q.read:
		return begin(b, ok)
	case <-running.Done():
	case <-reading.Done():
		select {
		case b, ok := <-q.read: // it was read before the end
			return begin(b, ok)
		default:
		}
	}
	return false
}

// answer counts rows as answered, in the order in which they were taken: as many of n as the oldest batch has. It
// returns their number and, if they complete the batch, the batch.
func (q *queue) answer(n int) (rows int, complete *batch) {
	if q.open == nil {
		q.open = <-q.taken
	}
	rows = min(n, len(q.open.photos)-q.answered)
	if q.answered += rows; q.answered == len(q.open.photos) {
		complete, q.open, q.answered = q.open, nil, 0
	}
	return rows, complete
}

// forget makes room for other batches.
func (q *queue) forget(b *batch) {
	q.rows.Add(-b.weight())
	q.bytes.Add(-b.bytes)
	select {
	case q.freed <- struct{}{}:
	default: // fill will look anyway
	}
}
