package cli

import (
	"io"
	"strings"
	"testing"
)

func TestFlagsMayFollowArguments(t *testing.T) {
	app := newApp(newOutput(io.Discard, io.Discard))
	for given, want := range map[string]string{
		"fx predict --model m a.jpg":               "fx predict --model m -- a.jpg",
		"fx predict a.jpg --top 2 b.jpg --model m": "fx predict --top 2 --model m -- a.jpg b.jpg",
		"fx predict a.jpg --json --top=2":          "fx predict --json --top=2 -- a.jpg",
		"fx predict --model m -- --odd.jpg":        "fx predict --model m -- --odd.jpg",
		"fx backbones save resnet18 --out w.onnx":  "fx backbones save --out w.onnx -- resnet18",
		"fx backbones":               "fx backbones",
		"fx runtime install --gpu":   "fx runtime install --gpu",
		"fx nonsense --top 2":        "fx nonsense --top 2",
		"fx predict --unknown a.jpg": "fx predict --unknown -- a.jpg",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(given)), " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", given, got, want)
		}
	}
}
