package head

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workersFor is the number of goroutines that n tasks are worth.
func workersFor(n int) int { return min(runtime.GOMAXPROCS(0), n) }

// parallel calls do(worker, i) for each i below n from that many workers. Calls with one worker number
// never overlap, so that number picks scratch memory. Which worker takes which
// i is left to chance: results must not depend on it.
func parallel(workers, n int, do func(worker, i int)) {
	if workers <= 1 {
		for i := range n {
			do(0, i)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(w, i)
			}
		})
	}
	wait.Wait()
}

// span returns the bounds of part i of n items cut into equal parts.
func span(n, parts, i int) (from, to int) { return n * i / parts, n * (i + 1) / parts }
