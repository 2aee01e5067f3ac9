package photoio

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func testBudget(size, most int64) (*budget, *int) {
	b, collections := newBudget(size), 0
	b.most = most
	b.collect = func() { collections++ }
	return b, &collections
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestDefaultBudget(t *testing.T) {
	b := newBudget(0)
	if b.size <= 0 || b.most != 3*b.size {
		t.Errorf("%d bytes, and %d for one photo", b.size, b.most)
	}
	if b := newBudget(100); b.size != 100 || b.most != 100 {
		t.Errorf("%d bytes, and %d for one photo", b.size, b.most)
	}
}

func TestLeasesComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := testBudget(10, 30)
		first := must(b.lease(t.Context(), 6))
		second := must(b.lease(t.Context(), 4))
		var order []string
		var group sync.WaitGroup
		begin := func(name string, n int64) {
			group.Go(func() {
				l := must(b.lease(t.Context(), n))
				order = append(order, name)
				if b.used > b.size && b.used != n {
					t.Errorf("%s: %d bytes are used beside a photo that is alone", name, b.used)
				}
				l.release(nil)
			})
			synctest.Wait()
		}
		begin("large", 30)
		begin("small", 1)
		if first.grow(7) {
			t.Error("a lease grew beyond the budget beside another")
		}
		second.release(nil)
		synctest.Wait()
		if len(order) != 0 {
			t.Errorf("%v came before the large one, which waits longer", order)
		}
		if !first.grow(10) {
			t.Error("a lease did not grow to bytes that nobody uses")
		}
		first.release(nil)
		group.Wait()
		if len(order) != 2 || order[0] != "large" || b.used != 0 {
			t.Errorf("%v, %d bytes used", order, b.used)
		}
	})
}

func TestALeaseThatNobodyWaitsForAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := testBudget(10, 10)
		held := must(b.lease(t.Context(), 5))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := b.lease(ctx, 10); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		group.Go(func() { must(b.lease(t.Context(), 5)).release(nil) }) // behind the large one
		synctest.Wait()
		cancel()
		group.Wait()
		held.release(nil)
		if b.used != 0 || b.waiting.Len() != 0 {
			t.Errorf("%d bytes used, %d wait", b.used, b.waiting.Len())
		}
	})
}

func TestMemoryNeverExceedsTheBudget(t *testing.T) {
	const size = 1000
	b, _ := testBudget(size, 2*size)
	b.collect = func() {
		if b.used+b.kept > max(size, b.used) {
			t.Errorf("%d bytes used and %d kept after a collection", b.used, b.kept)
		}
	}
	var group sync.WaitGroup
	for worker := range uint64(8) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(worker, 0))
			for range 2000 {
				n := 1 + random.Int64N(size/2)
				if random.IntN(50) == 0 {
					n = 2 * size
				}
				l := must(b.lease(t.Context(), n))
				if want := n + random.Int64N(100); want <= 2*size {
					l.grow(want)
				}
				pixels := l.pixels(l.n / 2)
				if pixels == nil {
					pixels = make([]uint8, l.n/2)
				}
				l.shrink(int64(cap(pixels)))
				b.mutex.Lock()
				if b.used > max(size, l.n) || b.used < 0 || b.kept < 0 ||
					b.used+b.kept+b.garbage > max(size, b.used)+size {
					t.Errorf("%d bytes used, %d kept, %d garbage", b.used, b.kept, b.garbage)
				}
				b.mutex.Unlock()
				l.release(pixels)
			}
		})
	}
	group.Wait()
	if b.used != 0 || b.waiting.Len() != 0 {
		t.Errorf("%d bytes used, %d wait", b.used, b.waiting.Len())
	}
}

func TestPixelsAreUsedAgain(t *testing.T) {
	b, collections := testBudget(100, 300)
	l := must(b.lease(t.Context(), 30))
	l.release(make([]uint8, 30))
	l = must(b.lease(t.Context(), 20))
	p := l.pixels(20)
	if cap(p) != 30 || l.n != 30 || b.kept != 0 {
		t.Errorf("%d values of %d bytes leased, %d kept", cap(p), l.n, b.kept)
	}
	l.release(p)
	// A photo alone leaves no room for pixels that nobody uses.
	l = must(b.lease(t.Context(), 300))
	if b.kept != 0 || *collections != 1 {
		t.Errorf("%d bytes kept, %d collections", b.kept, *collections)
	}
	l.release(nil)
	// What was given back is collected before it is given away again.
	l = must(b.lease(t.Context(), 10))
	if *collections != 2 || b.garbage != 0 {
		t.Errorf("%d collections, %d bytes of garbage", *collections, b.garbage)
	}
	l.release(nil)
}
