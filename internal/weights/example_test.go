package weights_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"fx/internal/weights"
)

func Example() {
	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "head.safetensors")

	head := weights.NewStateDict()
	head.Metadata["classes"] = "ants,bees"
	head.Set("fc.weight", weights.FromFloat32([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}))
	head.Set("fc.bias", weights.FromFloat32([]int{2}, []float32{0.5, -0.5}))
	if err := weights.WriteSafetensors(path, head); err != nil {
		log.Fatal(err)
	}

	state, info, err := weights.Read(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Format, info.Bytes, "bytes", state.Metadata)
	for _, name := range state.Names() {
		t, _ := state.Get(name)
		values, err := t.Float32s()
		fmt.Println(name, t.DType, t.Shape, values, err)
	}
	// Output:
	// safetensors 208 bytes map[classes:ants,bees]
	// fc.bias F32 [2] [0.5 -0.5] <nil>
	// fc.weight F32 [2 3] [1 2 3 4 5 6] <nil>
}
