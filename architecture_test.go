package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// outside lists the packages outside internal that each package outside internal imports; docs/architecture.md gives
// the reasons. The test fails for a package that is not listed, for another import, and for an import that is listed
// but not made.
var outside = map[string][]string{
	"":                 {"cli"},
	"backbones":        {},
	"classify":         {"backbones", "extract", "head"},
	"classify/compare": {"classify"},
	"cli": {
		"backbones", "classify", "classify/compare", "experiments", "extract", "extract/worker", "finetune",
		"finetune/autodiff", "report", "report/page",
	},
	"cli/faults":     {},
	"experiments":    {"backbones", "classify", "extract", "finetune"},
	"extract":        {"backbones"},
	"extract/worker": {"extract"},
	"finetune": {
		"backbones", "extract", "finetune/artifacts", "finetune/autodiff", "finetune/autodiff/ortprobe",
		"head",
	},
	"finetune/artifacts":         {"backbones", "finetune/autodiff"},
	"finetune/autodiff":          {},
	"finetune/autodiff/ortprobe": {"finetune/autodiff"},
	"head":                       {},
	"report":                     {"classify", "extract", "finetune", "report/page"},
	"report/page":                {},
}

// forbidden lists packages of internal that a package must not import: what it "does not" do in docs/architecture.md.
var forbidden = map[string][]string{
	"extract": {"internal/onnx"}, // knows no ops
	"backbones": {"internal/dataset", "internal/imaging", "internal/photoio", "internal/store",
		"internal/modeldir", "internal/ort"},
	"head": {"internal/dataset", "internal/imaging", "internal/photoio", "internal/store",
		"internal/modeldir", "internal/ort", "internal/onnx", "internal/weights"},
	"experiments":        {"report/page"},
	"finetune":           {"report/page"},
	"finetune/artifacts": {"internal/dataset", "internal/imaging", "internal/photoio", "internal/ort"},
	"finetune/autodiff":  {"internal/ort"},                        // runs nothing
	"report/page":        {"internal/modeldir", "internal/store"}, // draws what it is given
}

// within lists the packages of internal that each package of internal imports, as outside does; it may import no other
// package of fx.
var within = map[string][]string{
	"arrowmeta":     {},
	"chart":         {"durable", "metrics", "rangetest"},
	"checksum":      {},
	"cuda":          {"dynlib", "fail"},
	"dataset":       {"fail", "made", "source", "userfile"},
	"doctor":        {"cuda", "fail", "nativelib", "onnx", "onnx/pb", "ort"},
	"durable":       {},
	"dynlib":        {},
	"environment":   {"fail", "imaging", "ort", "photoio"},
	"experimentdir": {"checksum", "durable", "fail", "metrics", "modeldir", "userfile"},
	"fail":          {},
	"fakecuda":      {"testenv"},
	"fetch":         {"durable", "fail", "filehash", "paths", "progress", "userfile"},
	"filehash":      {"durable", "paths", "userfile"},
	"flipbits":      {},
	"float16":       {},
	"headspec":      {"fail"},
	"hub":           {"durable", "fail", "fetch", "filehash", "paths", "progress", "userfile"},
	"hub/hubtest":   {},
	"imaging":       {"dynlib", "fail", "paths", "preprocess", "random"},
	"inference":     {"fail", "kernels", "onnx", "onnx/pb", "ort", "random", "relative"},
	"kernels":       {},
	"lockfile":      {"durable", "fail", "filehash", "userfile"},
	"machine":       {"fail"},
	"made":          {"durable", "fail"},
	"metrics":       {},
	"modeldir": {"checksum", "durable", "fail", "headspec", "metrics", "preprocess", "training", "userfile",
		"weights"},
	"nativelib": {"cuda", "durable", "dynlib", "fail", "fetch", "filehash", "lockfile", "ortapi", "paths",
		"progress", "userfile", "wheel"},
	"onnx":              {"durable", "fail", "float16", "onnx/pb", "userfile"},
	"onnx/pb":           {},
	"ort":               {"cuda", "dynlib", "fail", "kernels", "machine", "nativelib", "ortapi"},
	"ort/orttest":       {"nativelib", "onnx", "onnx/pb", "ort", "testenv"},
	"ortapi":            {},
	"outpath":           {"dataset", "durable", "fail", "made"},
	"paths":             {"fail"},
	"photoio":           {"fail", "imaging", "machine", "source", "userfile"},
	"preprocess":        {"fail"},
	"pretrained":        {"durable", "fail", "fetch", "hub", "lockfile", "paths", "progress", "weights", "wheel"},
	"printable":         {"userfile"},
	"progress":          {},
	"random":            {},
	"rangetest":         {"fail"},
	"relative":          {},
	"sampledata":        {"durable", "fail", "fetch", "filehash", "lockfile", "paths", "progress", "random"},
	"source":            {"arrowmeta", "durable", "fail"},
	"source/buckettest": {},
	"speeds":            {"durable", "machine", "paths", "userfile"},
	"spelling":          {},
	"store": {"checksum", "dataset", "durable", "fail", "float16", "outpath", "paths", "photoio", "preprocess",
		"progress", "source", "userfile", "weights"},
	"tensorboard": {"durable"},
	"testenv":     {},
	"training":    {"fail"},
	"trainlog":    {"durable", "metrics", "tensorboard"},
	"userfile":    {"durable"},
	"version":     {},
	"weights":     {"durable", "fail", "filehash", "float16", "paths", "userfile"},
	"wheel":       {},
}

// inTests are packages that only tests may import.
var inTests = []string{"internal/fakecuda", "internal/flipbits", "internal/testenv", "internal/ort/orttest",
	"internal/hub/hubtest", "internal/source/buckettest", "cli/faults"}

// bench is the folder of the benchmarks, which may import every package but cli, and are not imported.
const bench = "bench"

type goPackage struct {
	ImportPath, Dir, Name     string
	Imports                   []string
	TestGoFiles, XTestGoFiles []string
}

// packages returns the packages of both modules.
func packages(t *testing.T) []goPackage {
	t.Helper()
	var all []goPackage
	for _, module := range []string{".", "bench"} {
		list := exec.Command("go", "-C", module, "list", "-json=ImportPath,Dir,Name,Imports,TestGoFiles,XTestGoFiles",
			"./...")
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

const internal = "internal/"

func TestImportsPointOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		from, ok := inside(p.ImportPath)
		if !ok {
			t.Fatalf("%s is not of this module", p.ImportPath)
		}
		if from == bench || strings.HasPrefix(from, bench+"/") {
			if slices.Contains(p.Imports, "fx/cli") {
				t.Errorf("%s must not import fx/cli", p.ImportPath)
			}
			continue
		}
		seen[from] = true
		var imports []string // those that the table lists
		for _, i := range p.Imports {
			to, own := inside(i)
			switch {
			case !own:
			case slices.Contains(inTests, to) && !slices.Contains(inTests, from), to == bench,
				strings.HasPrefix(to, bench+"/"):
				t.Errorf("%s imports %s, which only tests do", p.ImportPath, i)
			case slices.Contains(forbidden[from], to):
				t.Errorf("%s must not know %s", p.ImportPath, to)
			case strings.HasPrefix(from, internal) || !strings.HasPrefix(to, internal):
				imports = append(imports, to)
			}
		}
		compareImports(t, from, imports)
	}
	for _, path := range slices.Concat(slices.Sorted(maps.Keys(outside)), slices.Sorted(maps.Keys(forbidden))) {
		if !seen[path] {
			t.Errorf("there is no package %q: take it out of the table", path)
		}
	}
	for name := range within {
		if !seen[internal+name] {
			t.Errorf("there is no package %s: take it out of the table", internal+name)
		}
	}
}

// compareImports compares what a package imports with its line in the table.
func compareImports(t *testing.T, from string, imports []string) {
	table, may := outside, from
	if name, found := strings.CutPrefix(from, internal); found {
		table, may = within, name
	}
	line, known := table[may]
	if !known {
		t.Errorf("%q has no line in the table: decide what it may import", from)
	}
	for _, to := range imports {
		name := to
		if strings.HasPrefix(from, internal) {
			name = strings.TrimPrefix(to, internal)
		}
		if !slices.Contains(line, name) {
			t.Errorf("%q must not import %s", from, to)
		}
	}
	for _, name := range line {
		to := name
		if strings.HasPrefix(from, internal) {
			to = internal + name
		}
		if !slices.Contains(imports, to) {
			t.Errorf("%q does not import %s: take it out of the table", from, to)
		}
	}
}

// ONNX Runtime is opened in one place, which switches its telemetry off before.
func TestOnlyOnePackageOpensONNXRuntime(t *testing.T) {
	const binding = "github.com/yalue/onnxruntime_go"
	found := false
	for _, p := range packages(t) {
		path, _ := inside(p.ImportPath)
		uses := slices.Contains(p.Imports, binding)
		found = found || uses
		if uses && path != "internal/ort" {
			t.Errorf("%s opens ONNX Runtime: that is for internal/ort alone", path)
		}
	}
	if !found {
		t.Errorf("nothing imports %s", binding)
	}
}

// codeInDoc matches Go code in a package comment.
var codeInDoc = regexp.MustCompile(`(?m)^//\t.*(:=|err = ).*$`)

func TestEveryPackageHasDocAndExample(t *testing.T) {
	for _, p := range packages(t) {
		path, _ := inside(p.ImportPath)
		if p.Name == "main" || strings.HasSuffix(path, "/pb") { // commands; generated code
			continue
		}
		doc, err := os.ReadFile(filepath.Join(p.Dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go", path)
		}
		if code := codeInDoc.FindString(string(doc)); code != "" {
			t.Errorf("%s/doc.go shows code that no test runs, move it to the Example: %s", path, code)
		}
		found := false
		for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "\nfunc Example") &&
				strings.Contains(string(text), "// Output:")
		}
		if !found {
			t.Errorf("%s has no Example with checked output", path)
		}
	}
}

// Lines of Go end before column 120, a tab being four. Generated code may be longer, and so may what can't be broken: a
// raw string of several lines, and the output of an Example.
func TestLinesEndBeforeColumn120(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, ".pb.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		whole := unbreakable(text)
		for i, line := range strings.Split(string(text), "\n") {
			width := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			if width > 120 && !whole[i+1] {
				t.Errorf("%s:%d has %d columns: break it before column 120", path, i+1, width)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unbreakable returns the numbers of the lines, from 1, that are of a raw string of several lines or of an Example's
// output.
func unbreakable(text []byte) map[int]bool {
	lines := map[int]bool{}
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	output := false // whether the comments are an Example's output
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			return lines
		}
		output = kind == token.COMMENT && (output || strings.HasPrefix(literal, "// Output:"))
		first, more := file.Line(pos), strings.Count(literal, "\n")
		if output || kind == token.STRING && more > 0 {
			for i := range more + 1 {
				lines[first+i] = true
			}
		}
	}
}
