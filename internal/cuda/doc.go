// Package cuda opens NVIDIA's driver if there is one, lists the GPUs and their memory (Ask), and copies to and from
// that memory. ONNX Runtime does the computing.
//
// # Signals
//
// NVIDIA's libraries replace signal handlers when they start; a Go program then dies at Ctrl+C, or never receives it.
// Every call that starts them runs inside KeepSignals, which restores Go's handlers: asking the driver, opening the
// libraries, appending ONNX Runtime's provider, opening a session, its first run, every run that is captured as a CUDA
// graph, and the first copy.
package cuda
