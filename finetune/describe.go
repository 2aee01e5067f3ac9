package finetune

import "fx/internal/weights"

// Origin is what a RUN remembers of where it came from, which its MODEL does
// not tell: there the weights are those of the best epoch.
type Origin struct {
	Data    string            // absolute path of the photos
	Weights weights.Ref       // that the run started from
	Session map[string]string // options that ONNX Runtime ran with, and which device
}

// ReadOrigin reads the origin of the run in dir. found is false where dir holds
// no run. Errors are of kind fail.Usage or fail.Model.
func ReadOrigin(dir string) (o Origin, found bool, err error) {
	rec, found, err := readRecord(dir)
	return Origin{Data: rec.Data, Weights: rec.Weights, Session: rec.Session}, found, err
}
