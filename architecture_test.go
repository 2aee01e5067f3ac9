package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mayImport says which of fx's own rooms each room may import, beside
// internal/*, which is open to all. docs/architecture.md says why.
var mayImport = map[string][]string{
	"":            {"cli"},
	"cli":         {"backbones", "classify", "experiments", "extract", "finetune", "head", "report"},
	"report":      {"backbones", "classify", "extract", "finetune", "head"},
	"experiments": {"classify", "extract", "finetune", "head"},
	"classify":    {"backbones", "extract", "head"},
	"finetune":    {"backbones", "extract", "head"},
	"extract":     {"backbones"},
	"backbones":   {},
	"head":        {},
	"internal":    {},
	"bench":       {"backbones", "classify", "extract", "finetune", "head"},
}

// leaves are the packages of internal that import no other package of fx but the ones named.
var leaves = map[string][]string{
	"internal/fail":       {},
	"internal/durable":    {},
	"internal/random":     {},
	"internal/progress":   {},
	"internal/relative":   {},
	"internal/preprocess": {},
	"internal/float16":    {},
	"internal/paths":      {"internal/fail"},
	"internal/userfile":   {"internal/durable"},
}

type goPackage struct {
	ImportPath, Dir, Name     string
	Imports                   []string
	TestGoFiles, XTestGoFiles []string
}

// packages are those of both modules.
func packages(t *testing.T) []goPackage {
	t.Helper()
	var all []goPackage
	for _, module := range []string{".", "bench"} {
		list := exec.Command("go", "-C", module, "list", "-json=ImportPath,Dir,Name,Imports,TestGoFiles,XTestGoFiles", "./...")
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
			var p goPackage
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	return all
}

// inside returns the path of an fx package below the module, and whether it is one.
func inside(importPath string) (string, bool) {
	if importPath == "fx" {
		return "", true
	}
	return strings.CutPrefix(importPath, "fx/")
}

func room(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from, ok := inside(p.ImportPath)
		if !ok {
			t.Fatalf("%s is not of this module", p.ImportPath)
		}
		allowed, known := mayImport[room(from)]
		if !known {
			t.Errorf("room %q has no entry in mayImport: decide what it may import", room(from))
			continue
		}
		for _, i := range p.Imports {
			to, own := inside(i)
			if !own || room(to) == room(from) && room(from) != "internal" {
				continue
			}
			if only, leaf := leaves[from]; leaf {
				if !contains(only, to) {
					t.Errorf("%s is a leaf and must not import %s", from, to)
				}
			} else if room(to) != "internal" && !contains(allowed, room(to)) {
				t.Errorf("%s must not import %s", p.ImportPath, i)
			}
		}
	}
}

// ONNX Runtime is opened in one place, which switches its telemetry off before.
func TestOnlyOneRoomOpensONNXRuntime(t *testing.T) {
	const binding = "github.com/yalue/onnxruntime_go"
	found := false
	for _, p := range packages(t) {
		path, _ := inside(p.ImportPath)
		uses := contains(p.Imports, binding)
		found = found || uses
		if uses && path != "internal/ort" {
			t.Errorf("%s opens ONNX Runtime: that is for internal/ort alone", path)
		}
	}
	if !found {
		t.Errorf("nothing imports %s", binding)
	}
}

func TestEveryPackageHasDocAndExample(t *testing.T) {
	for _, p := range packages(t) {
		path, _ := inside(p.ImportPath)
		if p.Name == "main" || strings.HasSuffix(path, "/pb") { // commands; generated code
			continue
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", path)
		}
		found := false
		for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "\nfunc Example") && strings.Contains(string(text), "// Output:")
		}
		if !found {
			t.Errorf("%s has no Example with checked output", path)
		}
	}
}
