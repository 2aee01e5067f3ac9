package photoio

import (
	"container/list"
	"context"
	"runtime/debug"
	"sync"

	"fx/internal/machine"
)

// budget shares bytes of memory among the photos that are decoded at once. Whoever asks first
// gets its turn first. What was given back counts until Go has collected it: it is still in memory.
type budget struct {
	size int64 // of all photos at once
	most int64 // of one photo alone; not below size

	mutex   sync.Mutex
	used    int64      // by leases
	idle    [][]uint8  // pixels to use again: fresh memory for each photo costs time
	kept    int64      // bytes of idle
	garbage int64      // given back since the last collection
	waiting *list.List // of *waiter
	collect func()     // garbage
}

// lease is a part of a budget. Who waits for a lease holds none, so that nobody waits for a waiter.
type lease struct {
	from *budget
	n    int64 // bytes
}

type waiter struct {
	n     int64
	ready chan struct{} // closed when it has its bytes
}

// unknownMemory is what a computer is taken to have whose system does not say.
const unknownMemory = 4 << 30

// newBudget is of size bytes, for all photos and for one. With size 0 it is a quarter of the
// memory that this process may use, and one photo alone may take three quarters.
func newBudget(size int64) *budget {
	b := &budget{size: size, most: size, waiting: list.New(), collect: debug.FreeOSMemory}
	if size == 0 {
		memory := machine.Memory()
		if memory == 0 {
			memory = unknownMemory
		}
		b.size, b.most = memory/4, memory/4*3
	}
	return b
}

// lease waits for n bytes, at most b.most. The error is the context's.
func (b *budget) lease(ctx context.Context, n int64) (*lease, error) {
	b.mutex.Lock()
	if b.waiting.Len() == 0 && b.fits(n) {
		b.take(n)
		b.mutex.Unlock()
		return &lease{b, n}, nil
	}
	w := &waiter{n, make(chan struct{})}
	place := b.waiting.PushBack(w)
	b.mutex.Unlock()
	select {
	case <-w.ready:
		return &lease{b, n}, nil
	case <-ctx.Done():
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	select {
	case <-w.ready: // in the meantime
		b.used -= n
	default:
		b.waiting.Remove(place)
	}
	b.serve() // those behind it
	return nil, ctx.Err()
}

// fits reports whether n more bytes may be used. Whatever is no more than b.most may be used alone.
func (b *budget) fits(n int64) bool { return b.used == 0 || b.used+n <= b.size }

// take uses n bytes, and makes room where what is kept or not collected yet would exceed the budget.
func (b *budget) take(n int64) {
	b.used += n
	limit := max(b.size, b.used)
	if b.used+b.kept+b.garbage <= limit {
		return
	}
	if b.used+b.kept > limit {
		b.idle, b.kept = nil, 0
	}
	b.collect()
	b.garbage = 0
}

// serve gives those who wait their bytes, in the order in which they came.
func (b *budget) serve() {
	for first := b.waiting.Front(); first != nil; first = b.waiting.Front() {
		w := first.Value.(*waiter)
		if !b.fits(w.n) {
			return
		}
		b.waiting.Remove(first)
		b.take(w.n)
		close(w.ready)
	}
}

// grow makes the lease one of n bytes, and reports whether there are so many. It does not wait.
// It goes before those who wait, since what holds a lease gives it back soon.
func (l *lease) grow(n int64) bool {
	b := l.from
	b.mutex.Lock()
	defer b.mutex.Unlock()
	more := n - l.n
	if more <= 0 {
		return true
	}
	if b.used > l.n && b.used+more > b.size { // others hold leases too
		return false
	}
	b.take(more)
	l.n = n
	return true
}

// shrink gives back all but n bytes.
func (l *lease) shrink(n int64) {
	b := l.from
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if less := l.n - n; less > 0 {
		b.used -= less
		b.garbage += less
		l.n = n
		b.serve()
	}
}

// pixels returns memory for n values, which are part of the lease: what others gave back, or nil.
func (l *lease) pixels(n int64) []uint8 {
	b := l.from
	b.mutex.Lock()
	defer b.mutex.Unlock()
	best := -1
	for i, p := range b.idle {
		if int64(cap(p)) >= n && (best < 0 || cap(p) < cap(b.idle[best])) {
			best = i
		}
	}
	if best < 0 {
		if len(b.idle) > 0 { // too small: the new one is kept in its place
			b.forget(0)
		}
		return nil
	}
	p := b.idle[best]
	extra := int64(cap(p)) - n
	if b.used+extra > max(b.size, b.used) {
		return nil
	}
	b.idle = append(b.idle[:best], b.idle[best+1:]...)
	b.kept -= int64(cap(p))
	b.used += extra
	l.n += extra
	return p
}

// forget leaves idle pixels to the collector.
func (b *budget) forget(i int) {
	b.kept -= int64(cap(b.idle[i]))
	b.garbage += int64(cap(b.idle[i]))
	b.idle = append(b.idle[:i], b.idle[i+1:]...)
}

// release gives back the lease, whose pixels are kept for others where there is room for them.
func (l *lease) release(pixels []uint8) {
	b := l.from
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.used -= l.n
	size := min(int64(cap(pixels)), l.n)
	if size > 0 && b.used+b.kept+size <= b.size/2 {
		b.idle = append(b.idle, pixels)
		b.kept += size
		b.garbage += l.n - size
	} else {
		b.garbage += l.n
	}
	l.n = 0
	b.serve()
}
