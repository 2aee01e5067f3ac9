package cli

import (
	"math"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"fx/backbones"
	"fx/internal/hub/hubtest"
	"fx/internal/weights"
)

// hub is the scripts' command `hub NETWORK`: a local Hugging Face hub has weights of seed 0 for the network as its
// repository does, a table of positions for photos of 518 pixels.
func hub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hub NETWORK")
	}
	b, err := backbones.Lookup(args[0])
	ts.Check(err)
	seeded, err := backbones.SeedWeights(b, 0)
	ts.Check(err)
	table, ok := seeded.Get("pos_embed")
	if !ok {
		ts.Fatalf("%s has no table of positions", args[0])
	}
	rows := 1 + 37*37
	values := make([]float32, rows*table.Shape[2])
	for i := range values {
		values[i] = float32(0.02 * math.Sin(float64(i)))
	}
	seeded.Set("pos_embed", weights.FromFloat32([]int{1, rows, table.Shape[2]}, values))
	seeded.Metadata = nil // as timm's files: nothing says that they are random
	file := ts.MkAbs("hub.safetensors")
	ts.Check(weights.WriteSafetensors(file, seeded))
	content, err := os.ReadFile(file)
	ts.Check(err)
	ts.Check(os.Remove(file))
	server, stop := hubtest.Start()
	ts.Defer(stop)
	server.Commit(b.Weights.Hub, map[string]string{"model.safetensors": string(content)})
	ts.Setenv("HF_ENDPOINT", server.URL)
	ts.Setenv("HF_HOME", ts.MkAbs("hf"))
}
