package cuda

import "sync"

// recordings is locked for writing while a run is captured as a CUDA graph.
var recordings sync.RWMutex

// Record runs f, which captures a CUDA graph. Meanwhile no other goroutine allocates on a GPU or waits for one, as
// cudaStreamCaptureModeGlobal requires.
func Record(f func()) {
	recordings.Lock()
	defer recordings.Unlock()
	f()
}

// BesideRecordings runs f, which calls CUDA, while no CUDA graph is captured.
func BesideRecordings(f func()) {
	recordings.RLock()
	defer recordings.RUnlock()
	f()
}
