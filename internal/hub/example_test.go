package hub_test

import (
	"fmt"

	"fx/internal/hub"
)

func ExampleRepo_EntryName() {
	repo, err := hub.Open("timm/resnet50.a1_in1k", "0123456789012345678901234567890123456789")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(repo.EntryName("model.safetensors"))
	// Output: models--timm--resnet50.a1_in1k--0123456789012345678901234567890123456789--model.safetensors
}
