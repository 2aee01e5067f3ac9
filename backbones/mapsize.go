package backbones

import (
	"fmt"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// maxSide bounds the search for a crop that a network can take.
const maxSide = 1024

// CheckMaps refuses photos so small that a map of g has no pixel left: ONNX Runtime
// kills the process then. g takes images of crop × crop pixels.
// Errors: fail.Usage with the smallest crop that serves.
func CheckMaps(g *pb.GraphProto, name string, crop int) error {
	input, err := imageInput(g)
	if err != nil {
		return nil // whoever feeds the graph knows its inputs
	}
	empty := onnx.EmptyMap(g, input.Name, crop)
	if empty == "" {
		return nil
	}
	hint := "Leave --crop out for the network's own size."
	for side := crop + 1; side <= maxSide; side++ {
		if onnx.EmptyMap(g, input.Name, side) == "" {
			hint = fmt.Sprintf("Give --crop %d or more, or leave it out for the network's own size.", side)
			break
		}
	}
	return fail.New(fail.Usage, hint, "%s can't take photos of %d×%d pixels: nothing would be left of them at %q",
		name, crop, crop, empty)
}
