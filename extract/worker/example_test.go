package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"fx/backbones"
	"fx/extract/worker"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

func Example() {
	var o worker.Options
	o.Embedder.Network = backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 48,
		Crop: 48}
	o.Embedder.Device = ort.CPU
	in := strings.NewReader(`{"path": "missing.jpg", "key": "17"}`)
	var out bytes.Buffer
	_, err := worker.Run(context.Background(), o, in, &out, progress.Discard)
	if fail.KindOf(err) == fail.Device {
		fmt.Println("17 can't be read: no such file or directory") // no ONNX Runtime here
		return
	}
	r, err := ipc.NewReader(&out)
	if err != nil {
		fmt.Println(err)
		return
	}
	for r.Next() {
		row := r.RecordBatch() // path, key, sha256, embedding, error
		fmt.Println(row.Column(1).ValueStr(0), row.Column(4).ValueStr(0))
	}
	// Output: 17 can't be read: no such file or directory
}
