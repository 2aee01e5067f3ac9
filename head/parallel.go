package head

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workersFor returns the number of goroutines for n tasks.
func workersFor(n int) int { return min(runtime.GOMAXPROCS(0), n) }

// parallel calls do(worker, i) for each i below n from the given number of workers. Calls
// with the same worker never overlap, so worker can index scratch memory. Any worker may
// take any i: results must not depend on it.
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
