// Package cuda talks to NVIDIA's driver, which it opens where there is one: which
// GPUs there are, their memory, and copies to and from it. ONNX Runtime computes.
//
//	driver, err := cuda.Ask()
//	for _, gpu := range driver.GPUs {
//		fmt.Println(gpu)
//	}
//
// # Signals
//
// NVIDIA's libraries replace signal handlers as they start, and a Go program then
// dies at Ctrl+C, or never sees it. Whatever starts them runs inside KeepSignals,
// which puts Go's handlers back: asking the driver, opening the libraries,
// appending ONNX Runtime's provider, opening a session, its first run, every run
// that is recorded, and the first copy.
package cuda
