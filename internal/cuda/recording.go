package cuda

import "sync"

// recordings is held for writing while a run is recorded as a CUDA graph.
var recordings sync.RWMutex

// Record runs f, which records a CUDA graph, while nobody else allocates on a GPU
// or waits for one (cudaStreamCaptureModeGlobal).
func Record(f func()) {
	recordings.Lock()
	defer recordings.Unlock()
	f()
}

// BesideRecordings runs f, which calls CUDA, while no CUDA graph is recorded.
func BesideRecordings(f func()) {
	recordings.RLock()
	defer recordings.RUnlock()
	f()
}
