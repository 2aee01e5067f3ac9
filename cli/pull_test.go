package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The exit code is that of the first failure, whatever fails or works after it.
func TestPullExitsWithTheFirstFailure(t *testing.T) {
	emptySurroundings(t)
	dir := os.Getenv("FX_WEIGHTS_DIR")
	succeed(t, "backbones", "save", "squeezenet1_1", "--weights", "seed:1", "--out",
		filepath.Join(dir, "squeezenet1_1.safetensors"))
	if err := os.Mkdir(filepath.Join(dir, "resnet18.safetensors"), 0o755); err != nil { // a folder is exit code 2
		t.Fatal(err)
	}
	for code, names := range map[int][]string{ // squeezenet1_0 is nowhere, exit code 4
		0: {"squeezenet1_1", "squeezenet1_1"},
		2: {"squeezenet1_1", "resnet18", "squeezenet1_0"},
		4: {"squeezenet1_0", "resnet18", "squeezenet1_1"},
	} {
		a := fx(t, append([]string{"backbones", "pull", "--quiet"}, names...)...)
		if a.code != code || !strings.Contains(a.stdout, "squeezenet1_1.safetensors\n  from FX_WEIGHTS_DIR") {
			t.Errorf("pull %q: exit code %d, want %d\n%s%s", names, a.code, code, a.stdout, a.stderr)
		}
	}
}
