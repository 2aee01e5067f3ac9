package cuda

// KeepSignals runs f. Windows has no signal handlers that a library could take from Go.
func KeepSignals(f func()) { f() }
