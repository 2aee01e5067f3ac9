package wheel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Request asks for a package.
type Request struct {
	Requirement  string // in pip's syntax: "onnxruntime==1.31.1"
	Dependencies bool   // also fetch the package's dependencies
	Target       Target // the zero value is the machine's Python
	// Brief limits pip to one retry and ten seconds without an answer, whatever its configuration.
	Brief bool
}

// Target selects wheels by the tags in their names. uv uses only the version of Python; the rest is the machine's.
type Target struct {
	Python    string   // "3.12"
	ABIs      []string // "cp312"
	Platforms []string // "manylinux_2_28_x86_64"
}

// Fetched is a fetched package. Either Wheels or Site is set.
type Fetched struct {
	Tool   string   // "pip" or "uv"
	Wheels []string // paths of wheel files, in the order of their names
	Site   string   // a folder of unpacked packages
}

// Fetch fetches the package into dir, an empty folder, with the first of python3's pip, pip3 and uv that works. Errors
// are ctx's, the system's, or of type *Error.
func Fetch(ctx context.Context, r Request, dir string) (Fetched, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Fetched{}, err
	}
	work, target := filepath.Join(dir, "work"), filepath.Join(dir, "fetched")
	for _, path := range []string{work, target} {
		if err := os.Mkdir(path, 0o700); err != nil {
			return Fetched{}, err
		}
	}
	t, err := findTool(ctx, work)
	if err != nil {
		return Fetched{}, err
	}
	if err := t.run(ctx, work, t.arguments(r, target)); err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Requirement = r.Requirement
		}
		return Fetched{}, err
	}
	if t.name == "uv" {
		return Fetched{Tool: t.name, Site: target}, nil
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		return Fetched{}, err
	}
	got := Fetched{Tool: t.name}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".whl") {
			got.Wheels = append(got.Wheels, filepath.Join(target, entry.Name()))
		}
	}
	return got, nil
}
