package environment

import (
	"runtime"

	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/ort"
	"fx/internal/photoio"
)

// Environment is what a command runs on. The zero value suits most callers. The meaning of a result does not depend on
// it; its numbers differ a little between devices, versions of ONNX Runtime and JPEG decoders.
type Environment struct {
	Device  ort.Device
	Workers int    // goroutines that decode photos and, on a CPU, run the frozen network; 0 means one for each CPU
	Library string // path of libonnxruntime; "" searches for it
	Decoder string // of JPEG: "auto" (also ""), "turbojpeg" or "go"
	// DecodeMemory is the largest memory of all photos that are decoded at once, in bytes; 0 means photoio's choice.
	DecodeMemory int64
}

// maxWorkers is a limit against mistyped numbers.
const maxWorkers = 1024

// Check returns an error of kind fail.Usage for a number of workers that is out of range. The other fields are checked
// where they are used.
func (e Environment) Check() error {
	if e.Workers < 0 || e.Workers > maxWorkers {
		return fail.New(fail.Usage, "Leave --workers out for one for each CPU.", "workers %d must lie in 0–%d",
			e.Workers, maxWorkers)
	}
	return nil
}

// WorkerCount returns Workers, or its default.
func (e Environment) WorkerCount() int {
	if e.Workers == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return e.Workers
}

// Runtime loads ONNX Runtime. The error is of kind fail.Device.
func (e Environment) Runtime() (*ort.Runtime, error) { return ort.Load(e.Library) }

// NewDecoder returns a decoder of photos, see imaging.NewDecoder. It sets o.Decoder.
func (e Environment) NewDecoder(o imaging.Options) (*imaging.Decoder, error) {
	o.Decoder = e.Decoder
	return imaging.NewDecoder(o)
}

// NewReader returns a reader of photos that decodes with d, see photoio.NewReader. It sets o.Memory.
func (e Environment) NewReader(d *imaging.Decoder, o photoio.Options) *photoio.Reader {
	o.Memory = e.DecodeMemory
	return photoio.NewReader(d, o)
}
