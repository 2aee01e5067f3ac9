package artifacts_test

import (
	"fmt"

	"fx/backbones"
	"fx/finetune/artifacts"
)

// The names of the parameters in the last stage and the classifier.
func ExampleNetwork_Select() {
	b, err := backbones.Lookup("resnet18")
	if err != nil {
		fmt.Println(err)
		return
	}
	weights, err := backbones.SeedWeights(b, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := artifacts.FromBackbone(b, weights, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := n.SetClasses(2, 0); err != nil {
		fmt.Println(err)
		return
	}
	names, err := n.Select([]string{"layer4.1.*", "fc.*"})
	fmt.Println(names, err)
	// Output: [layer4.1.conv1.weight layer4.1.bn1.weight layer4.1.bn1.bias layer4.1.conv2.weight layer4.1.bn2.weight layer4.1.bn2.bias fc.weight fc.bias] <nil>
}
