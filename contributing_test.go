package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What CONTRIBUTING.md names as a file or folder is there.
func TestContributingNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, quoted := range regexp.MustCompile("`[^` ]+[/.][^` ]*`").FindAllString(string(text), -1) {
		path := strings.Trim(quoted, "`")
		if found, err := filepath.Glob(path); err != nil || len(found) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", path)
		}
		named++
	}
	if named == 0 {
		t.Error("CONTRIBUTING.md names no file")
	}
}
