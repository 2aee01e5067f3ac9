package backbones_test

import (
	"fmt"

	"fx/backbones"
)

func Example() {
	b, err := backbones.Lookup("squeezenet1_1")
	if err != nil {
		fmt.Println(err)
		return
	}
	weights, err := backbones.SeedWeights(b, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := backbones.Assemble(b, weights)
	if err != nil {
		fmt.Println(err)
		return
	}
	features, err := backbones.Features(model, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(features.Graph.Input[0].Name, "->", features.Graph.Output[0].Name, b.FeatureShape, b.Head.Kind)
	// Output: images -> features [512 13 13] conv1x1
}
