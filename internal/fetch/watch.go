package fetch

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// limits are a Client's limits, with defaults filled in.
type limits struct {
	attempts int
	backoff  time.Duration
	stall    time.Duration
	window   time.Duration
	quota    int64 // least bytes in each window, and least gain of a successful try
}

func (c *Client) limits() limits {
	l := limits{
		attempts: cmp.Or(c.Attempts, 4),
		backoff:  cmp.Or(c.Backoff, 500*time.Millisecond),
		stall:    cmp.Or(c.Stall, 30*time.Second),
		window:   cmp.Or(c.Window, time.Minute),
	}
	l.quota = max(1, int64(float64(cmp.Or(c.MinRate, 1024))*l.window.Seconds()))
	return l
}

// watch cancels a try that receives no byte for limits.stall, or less of the body than limits.quota in limits.window.
type watch struct {
	limits
	cancel context.CancelCauseFunc
	idle   *time.Timer
	slow   *time.Timer // nil until the body begins
	gained atomic.Int64
}

func (l limits) watch(cancel context.CancelCauseFunc) *watch {
	w := &watch{limits: l, cancel: cancel}
	w.idle = time.AfterFunc(l.stall, func() { cancel(fmt.Errorf("%w: no byte for %v", ErrUnreachable, l.stall)) })
	return w
}

// body returns r, watched.
func (w *watch) body(r io.Reader) io.Reader {
	w.slow = time.AfterFunc(time.Hour, w.closeWindow)
	w.slow.Reset(w.window) // from here on closeWindow may run, and it reads w.slow
	return &watched{r, w}
}

// closeWindow checks the bytes of the window that ends, and begins the next.
func (w *watch) closeWindow() {
	if n := w.gained.Swap(0); n < w.quota {
		w.cancel(fmt.Errorf("%w: %d bytes in %v, and at least %d are required", ErrTooSlow, n, w.window, w.quota))
		return
	}
	w.slow.Reset(w.window)
}

func (w *watch) stop() {
	w.idle.Stop()
	if w.slow != nil {
		w.slow.Stop()
	}
}

// watched reports every byte that is read to the watch.
type watched struct {
	io.Reader
	watch *watch
}

func (r *watched) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.watch.idle.Reset(r.watch.stall)
		r.watch.gained.Add(int64(n))
	}
	return n, err
}
