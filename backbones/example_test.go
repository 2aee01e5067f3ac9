package backbones_test

import (
	"context"
	"fmt"

	"fx/backbones"
	"fx/internal/progress"
	"fx/internal/weights"
)

func Example() {
	o := backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0)}
	n, err := backbones.Open(context.Background(), o, progress.Discard)
	if err != nil {
		fmt.Println(err)
		return
	}
	features, err := n.Features() // onnx.Marshal makes it a file for ONNX Runtime
	if err != nil {
		fmt.Println(err)
		return
	}
	g := features.Graph
	fmt.Println(g.Input[0].Name, "->", g.Output[0].Name, n.Backbone.FeatureShape, n.Backbone.Head.Kind)
	// Output: images -> features [512 13 13] conv1x1
}
