package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/ort/orttest"
)

// A run that ended after its summary and before its report leaves an earlier report: the next run draws it anew.
func TestAStaleReportIsDrawnAnew(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	args := []string{"quickstart", twoClasses(filepath.Join(dir, "data")), "--backbone", tinyNetwork, "--out", out,
		"--quiet"}
	succeed(t, args...)
	report := file(t, `<!doctype html><meta name="generator" content="fx">an earlier report`, out, "report.html")
	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(report, before, before); err != nil {
		t.Fatal(err)
	}
	succeed(t, args...)
	if text, err := os.ReadFile(report); err != nil || strings.Contains(string(text), "an earlier report") {
		t.Errorf("the report: %v, %.100s", err, text)
	}
	drawn, err := os.Stat(report)
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, args...)
	if now, err := os.Stat(report); err != nil || !os.SameFile(now, drawn) || !now.ModTime().Equal(drawn.ModTime()) {
		t.Errorf("a report that is up to date was drawn again: %v", err)
	}
}
