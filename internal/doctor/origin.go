package doctor

import (
	"os"
	"path/filepath"
)

// Origin is how fx came onto this machine.
type Origin struct {
	Program string `json:"program"` // path, without links; "" if unknown
	How     How    `json:"how"`
}

// How is a way to install fx.
type How string

// The ways.
const (
	ByWheel   How = "wheel"   // by pip, uv or the like, in a Python environment
	ByArchive How = "archive" // an archive of a release
	BySource  How = "source"  // built on this machine, or copied from where it was built
)

// findOrigin finds out by what lies around the program.
func findOrigin(program string) Origin {
	o := Origin{Program: program, How: BySource}
	bin := filepath.Dir(program)
	exists := func(elements ...string) bool {
		_, err := os.Stat(filepath.Join(elements...))
		return err == nil
	}
	switch {
	case exists(bin, "..", "pyvenv.cfg"), exists(bin, "..", "conda-meta"), ownedByPython(bin):
		o.How = ByWheel
	case exists(bin, "NOTICE") && exists(bin, "completion"):
		o.How = ByArchive
	}
	return o
}

// ownedByPython reports whether a Python package fx is installed with the program in bin, outside of an environment.
func ownedByPython(bin string) bool {
	for _, packages := range []string{"site-packages", "dist-packages"} {
		pattern := filepath.Join(bin, "..", "lib", "python*", packages, "fx*.dist-info")
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return true
		}
	}
	return false
}

// origin returns the Origin of the running program.
func origin() Origin {
	program, err := os.Executable()
	if err != nil {
		return Origin{How: BySource}
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	return findOrigin(program)
}
