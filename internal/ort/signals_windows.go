package ort

// keepSignals runs f. Windows has no signal handlers that a library could take from Go.
func keepSignals(_ bool, f func()) int {
	f()
	return 0
}
