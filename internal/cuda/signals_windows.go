package cuda

// KeepSignals runs f. On Windows a library can't replace Go's signal handlers.
func KeepSignals(f func()) { f() }
