package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A build without cgo ends in one error, which says what to do.
func TestBuildWithoutCgoHasOneError(t *testing.T) {
	build := exec.Command("go", "build", "-o", os.DevNull, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	text := strings.TrimSpace(string(output))
	if err == nil || strings.Count(text, "\n") != 1 || !strings.Contains(text, "build with CGO_ENABLED=1") {
		t.Errorf("%v:\n%s", err, text)
	}
}
