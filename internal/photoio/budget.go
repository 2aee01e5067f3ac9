package photoio

import (
	"container/list"
	"context"
	"runtime/debug"
	"sync"

	"fx/internal/machine"
)

// budget shares bytes of memory among the photos that are decoded at once, first come, first served. Returned bytes
// count until Go has collected them, because they are still in memory.
type budget struct {
	size int64 // of all photos at once
	most int64 // of one photo alone; not below size

	mutex   sync.Mutex
	used    int64      // by leases
	idle    [][]uint8  // pixels for reuse: allocating for each photo costs time
	kept    int64      // bytes of idle
	garbage int64      // returned since the last collection
	waiting *list.List // of *waiter
	collect func()     // garbage
}

// lease is a part of a budget. A waiter holds no other lease, so there is no deadlock.
type lease struct {
	from *budget
	n    int64 // bytes
}

type waiter struct {
	n     int64
	ready chan struct{} // closed when it has its bytes
}

// unknownMemory is the assumed memory of a computer whose system does not report it.
const unknownMemory = 4 << 30

// newBudget returns a budget of size bytes, for all photos together and for one. Size 0 is a quarter of the memory
// that this process may use, and three quarters for one photo alone.
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
	case <-w.ready: // meanwhile
		b.used -= n
	default:
		b.waiting.Remove(place)
	}
	b.serve() // the waiters after it
	return nil, ctx.Err()
}

// fits reports whether n more bytes may be used. A single photo may use up to b.most.
func (b *budget) fits(n int64) bool { return b.used == 0 || b.used+n <= b.size }

// take uses n bytes. It first frees memory if idle and uncollected bytes would exceed the budget.
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

// serve grants the waiters their bytes, in the order in which they came.
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

// grow enlarges the lease to n bytes, and reports whether there was enough memory. It does not wait, and takes
// precedence over waiters, because a lease is returned soon.
func (l *lease) grow(n int64) bool {
	b := l.from
	b.mutex.Lock()
	defer b.mutex.Unlock()
	more := n - l.n
	if more <= 0 {
		return true
	}
	if b.used > l.n && b.used+more > b.size { // there are other leases
		return false
	}
	b.take(more)
	l.n = n
	return true
}

// shrink returns all but n bytes.
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

// pixels returns memory for n values from idle, or nil. It is part of the lease.
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
		if len(b.idle) > 0 { // too small: the new one will replace it
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

// forget leaves idle pixels to the garbage collector.
func (b *budget) forget(i int) {
	b.kept -= int64(cap(b.idle[i]))
	b.garbage += int64(cap(b.idle[i]))
	b.idle = append(b.idle[:i], b.idle[i+1:]...)
}

// release returns the lease, and keeps its pixels for reuse if the budget allows.
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
