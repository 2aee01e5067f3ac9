package preprocess_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"fx/internal/preprocess"
)

func TestCheckRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*preprocess.Spec){
		"no crop":               func(s *preprocess.Spec) { s.Crop = 0 },
		"huge resize":           func(s *preprocess.Spec) { s.Resize = 1 << 20 },
		"unknown mode":          func(s *preprocess.Spec) { s.Mode = "border" },
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

// Crop, the mode of files of an older fx, is left out in JSON, so that they and their hashes stay as they are.
func TestModeInJSON(t *testing.T) {
	for mode, want := range map[string]preprocess.Mode{
		``: preprocess.Crop, `"mode":"",`: preprocess.Crop, `"mode":"crop",`: preprocess.Crop,
		`"mode":"squash",`: preprocess.Squash,
	} {
		const rest = `"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.5,0.5,0.5],"std":[1,1,1]}`
		var s preprocess.Spec
		if err := json.Unmarshal([]byte("{"+mode+rest), &s); err != nil || s.Mode != want || s.Check() != nil {
			t.Errorf("%s is read as %+v, %v", mode, s, err)
		}
		written := "{" + rest
		if want == preprocess.Squash {
			written = `{"mode":"squash",` + rest
		}
		if text, err := json.Marshal(s); err != nil || string(text) != written {
			t.Errorf("%s is written as %s, %v", mode, text, err)
		}
	}
	err := json.Unmarshal([]byte(`{"mode":"border"}`), new(preprocess.Spec))
	if err == nil || !strings.Contains(err.Error(), `mode "border": this fx knows crop and squash`) {
		t.Errorf("an unknown mode: %v", err)
	}
}

func ExampleSpec_String() {
	s := preprocess.ImageNet(256, 224)
	fmt.Println(s)
	s.Mode, s.Interpolation = preprocess.Squash, preprocess.Bicubic
	fmt.Println(s)
	// Output:
	// shorter side to 256 (bilinear), centre crop of 224, mean [0.485 0.456 0.406], std [0.229 0.224 0.225]
	// both sides to 256 (bicubic), centre crop of 224, mean [0.485 0.456 0.406], std [0.229 0.224 0.225]
}

func ExampleImageNet() {
	text, _ := json.Marshal(preprocess.ImageNet(256, 224))
	fmt.Println(string(text))
	// Output: {"resize":256,"crop":224,"interpolation":"bilinear","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}
}
