package finetune

import "fx/internal/weights"

// Origin describes what a RUN started from. Its MODEL does not record this: it names
// the weights of the best epoch.
type Origin struct {
	Data    string            // absolute path of the photos
	Weights weights.Ref       // that the run started from
	Session map[string]string // ONNX Runtime's options and the device
}

// ReadOrigin reads the origin of the run in dir. found is false if dir
// contains no run. Errors are of kind fail.Usage or fail.Model.
func ReadOrigin(dir string) (o Origin, found bool, err error) {
	rec, found, err := readRecord(dir)
	return Origin{Data: rec.Data, Weights: rec.Weights, Session: rec.Session}, found, err
}
