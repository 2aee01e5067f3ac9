//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
)

// A folder that fx may not look into is not called a folder without a MODEL.
func TestAFolderThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	needNobody(t, dir)
	closed, empty := filepath.Join(dir, "closed"), filepath.Join(dir, "empty")
	for path, mode := range map[string]os.FileMode{closed: 0, empty: 0o755} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, args := range map[string][]string{
		"compare": {"compare", closed, empty},
		"report":  {"report", closed, "--out", filepath.Join(dir, "report.html")},
	} {
		command := asNobody(t, dir, args...)
		said, err := command.CombinedOutput()
		if command.ProcessState == nil {
			t.Fatal(err)
		}
		if code := command.ProcessState.ExitCode(); code != int(fail.Usage) ||
			!strings.Contains(string(said), "permission denied") || strings.Contains(string(said), "has no") {
			t.Errorf("fx %s: exit code %d: %s", name, code, said)
		}
	}
}
