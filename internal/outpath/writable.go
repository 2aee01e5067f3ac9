package outpath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/fail"
)

const mayWrite = "Choose a place that fx may write with --out."

// writable refuses a target whose folder is not there, or where the system lets this process
// make no file: the command would find out after its work. What lies within another Target is
// written where that one is.
func (t Target) writable() error {
	if t.Nested {
		return nil
	}
	if t.Path == "-" {
		return fail.New(fail.Usage, "Name a file or a folder with --out; ./- is one that is called so.",
			"fx does not write its results to standard output")
	}
	dir := t.Path
	if _, file := t.Kind.(*File); file {
		dir = filepath.Dir(dir)
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && !t.MakesFolder {
			return fail.New(fail.Usage, "Make it first, or choose another --out.", "there is no folder %s", dir)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail.Wrap(fail.Usage, err, mayWrite, "--out")
		}
	}
	if err := mayMakeFiles(nearest(dir)); fail.Forbidden(err) {
		return fail.Wrap(fail.Usage, err, mayWrite, "--out %s can't be written", t.Path)
	}
	return nil // of other errors the work itself tells
}
