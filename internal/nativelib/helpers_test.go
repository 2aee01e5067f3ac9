package nativelib

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fx/internal/progress"
)

// isolate gives a test a cache of its own and no environment that leads elsewhere.
func isolate(t *testing.T) (cache string) {
	t.Helper()
	cache = filepath.Join(t.TempDir(), "cache")
	t.Setenv("FX_CACHE_DIR", cache)
	for _, variable := range []string{"FX_ORT_LIB", "VIRTUAL_ENV", "CONDA_PREFIX"} {
		t.Setenv(variable, "")
	}
	t.Setenv(mirrorVariable, "http://127.0.0.1:1") // nobody listens
	return cache
}

// notes collects what a user would be told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) Note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (*notes) Begin(string, int64, string) progress.Task { return progress.Discard.Begin("", 0, "") }

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}
