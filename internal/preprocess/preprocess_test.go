package preprocess_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"fx/internal/preprocess"
)

func TestCheckRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*preprocess.Spec){
		"no crop":               func(s *preprocess.Spec) { s.Crop = 0 },
		"huge resize":           func(s *preprocess.Spec) { s.Resize = 1 << 20 },
		"unknown interpolation": func(s *preprocess.Spec) { s.Interpolation = "nearest" },
		"a std of zero":         func(s *preprocess.Spec) { s.Std[1] = 0 },
	} {
		s := preprocess.ImageNet(256, 224)
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		spoil(&s)
		if s.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func ExampleImageNet() {
	text, _ := json.Marshal(preprocess.ImageNet(256, 224))
	fmt.Println(string(text))
	// Output: {"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}
}
