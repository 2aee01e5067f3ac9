package outpath

import (
	"errors"
	"io/fs"
	"os"

	"fx/internal/fail"
)

// Target is a file or folder that a command is about to write.
type Target struct {
	Kind   Kind
	Path   string
	Photos string   // folder or list of photos; "" for one that is not known
	Inputs []string // files that the command reads and must not replace
	// MakesFolder tells that the command makes the folder of a file where that is not there.
	MakesFolder bool
	// Nested tells that it lies in the folder of another Target, which is asked about the photos; a
	// link to a folder would lead out.
	Nested bool
}

// Kind is a Folder or a File.
type Kind interface {
	// check refuses what is not allowed even with --force.
	check(Target) error
	// allow refuses what --force allows.
	allow(Target) error
	// tidy removes what ended processes left.
	tidy(Target) error
}

// The hints of a refusal.
const (
	another   = "Choose another --out."
	orForce   = "Choose another --out, or write there all the same with --force."
	beside    = "Name a place beside the photos' folder with --out; --force writes there all the same."
	removeIt  = "Remove it, or choose another --out."
	otherFile = "Choose another --out, or replace the file with --force."
)

// Prepare tells whether the command may write the targets, and removes the
// temporary files that ended processes left of them. force stands for the
// user's --force. A refusal is of kind fail.Usage; then nothing was touched.
func Prepare(force bool, targets ...Target) error {
	for _, t := range targets {
		if err := t.Kind.check(t); err != nil {
			return err
		}
		if err := t.writable(); err != nil {
			return err
		}
		if force {
			continue
		}
		if err := t.Kind.allow(t); err != nil {
			return err
		}
	}
	for _, t := range targets {
		if err := t.Kind.tidy(t); err != nil {
			return fail.Wrap(fail.KindOf(err), err, "Remove it by hand.", "clear up what an earlier run left of %s",
				t.Path)
		}
	}
	return nil
}

// notALink refuses a link where fx makes a folder of its own.
func notALink(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fail.New(fail.Usage, removeIt, "%s is a link", path)
	}
	return nil
}

// stat is os.Stat, but for a link to nothing, which is refused.
func stat(path string) (info fs.FileInfo, there bool, err error) {
	info, err = os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return info, err == nil, fail.Wrap(fail.Usage, err, another, "--out")
	}
	link, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, false, nil
	case link.Mode()&fs.ModeSymlink == 0: // another process just made it
		return stat(path)
	}
	return nil, false, fail.New(fail.Usage, removeIt, "%s is a link to nothing", path)
}
