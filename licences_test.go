package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the modules in NOTICE and THIRD_PARTY_LICENSES.txt anew")

// licences tells a licence by words that stand in its text alone.
var licences = []struct{ words, name string }{
	{"Apache License", "Apache-2.0"},
	{"Creative Commons Attribution 4.0", "CC-BY-4.0"},
	{"FreeType Project LICENSE", "FTL"},
	{"ISC License", "ISC"},
	{"Mozilla Public License", "MPL-2.0"},
	{"SIL OPEN FONT LICENSE", "OFL-1.1"},
	{"to deal in the Software without restriction", "MIT"},
	{"Neither the name", "BSD-3-Clause"},
	{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
}

// chosen are texts outside of a module's first folder, or one of several that its authors let others choose from.
var chosen = map[string]string{"github.com/golang/freetype": "licenses/ftl.txt"}

// TestLicences demands that NOTICE lists the Go modules which are linked into fx on Linux, and that their licences and
// notices are in THIRD_PARTY_LICENSES.txt.
func TestLicences(t *testing.T) {
	const listed, last = "NOTICE", "-update`\n\n"
	notice, err := os.ReadFile(listed)
	if err != nil {
		t.Fatal(err)
	}
	own, _, found := strings.Cut(string(notice), last)
	if !found {
		t.Fatalf("NOTICE has no line that ends in %q", last)
	}
	table, texts := thirdParties(t)
	for path, want := range map[string]string{listed: own + last + table, "THIRD_PARTY_LICENSES.txt": texts} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != want {
			t.Errorf("%s is not about the modules that are linked: `go test . -run TestLicences -update` mends it.%s",
				path, missing(string(have), want))
		}
	}
}

// missing returns the lines of want that have lacks, the first three of them.
func missing(have, want string) string {
	out, lines, n := "", strings.Split(have, "\n"), 0
	for line := range strings.SplitSeq(want, "\n") {
		if n < 3 && !slices.Contains(lines, line) {
			out, n = out+"\nmissing: "+line, n+1
		}
	}
	return out
}

// thirdParties returns a line for each linked module, and the texts of their licences and notices, each once.
func thirdParties(t *testing.T) (table, texts string) {
	list := exec.Command("go", "list", "-tags=", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", ".")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(strings.ReplaceAll(string(out), "\t", "|"))
	slices.Sort(modules)
	users := map[string][]string{} // of a text
	var order []string
	var rows strings.Builder
	for _, module := range slices.Compact(modules) {
		path, dir, _ := strings.Cut(module, "|")
		names := map[string]bool{}
		for _, file := range licenceFiles(t, path, dir) {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
			for _, name := range licenceNames(string(text)) {
				names[name] = true
			}
			if users[string(text)] == nil {
				order = append(order, string(text))
			}
			users[string(text)] = append(users[string(text)], path+" "+file)
		}
		if len(names) == 0 {
			t.Errorf("%s has no licence that this test knows", path)
		}
		var sorted []string
		for name := range names {
			sorted = append(sorted, name)
		}
		slices.Sort(sorted)
		fmt.Fprintf(&rows, "%-50s %s\n", path, strings.Join(sorted, ", "))
	}
	var all strings.Builder
	for _, text := range order {
		fmt.Fprintf(&all, "%s\n%s\n\n%s\n\n", strings.Repeat("=", 80), strings.Join(users[text], "\n"), text)
	}
	return rows.String(), all.String()
}

// licenceFiles returns the files of a module that its licence wants to be passed on.
func licenceFiles(t *testing.T, module, dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		for _, start := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE"} {
			if strings.HasPrefix(name, start) && e.Type().IsRegular() {
				files = append(files, e.Name())
			}
		}
	}
	if file := chosen[module]; file != "" {
		files = append(files, file)
	}
	return files
}

func licenceNames(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var names []string
	for _, l := range licences {
		if strings.Contains(text, l.words) && !(l.name == "BSD-2-Clause" && slices.Contains(names, "BSD-3-Clause")) {
			names = append(names, l.name)
		}
	}
	return names
}
