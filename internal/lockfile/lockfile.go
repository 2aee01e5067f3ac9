package lockfile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"fx/internal/durable"
	"fx/internal/fail"
)

// fileName is the name of the lock in a STORE and in an EXPERIMENT.
const fileName = "lock.json"

// ErrHeld means that a lock names a file other than the available one, or one that is not available.
var ErrHeld = errors.New("a lock file names another file")

// Input is a file that fx fetched or found, or a folder of them.
type Input struct {
	Name   string `json:"name"` // its purpose, the same on all machines: weights/resnet18, photos/hymenoptera_data.zip
	File   string `json:"file"` // its own name, without folders
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Commit string `json:"commit,omitempty"` // of the repository on the Hugging Face hub that has it

	Path string `json:"-"` // where it is on this machine, for messages
}

// Lock lists the lock files that a command must obey. The zero value is none.
type Lock []string

// At returns the lock in the file that a user named, "" for none. If path is a link, its target is the lock.
func At(path string) Lock {
	if path == "" {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return Lock{path}
}

// In returns l together with the lock of a STORE or an EXPERIMENT.
func (l Lock) In(folder string) Lock {
	return append(Lock{filepath.Join(folder, fileName)}, l...)
}

// Want returns the entry of the first lock that names the input. Errors are of kind fail.Model if a lock is damaged or
// of an unknown version.
func (l Lock) Want(name string) (Input, bool, error) {
	for _, path := range l {
		c, err := read(path)
		if err != nil {
			return Input{}, false, err
		}
		if wanted, found := c.find(name); found {
			return wanted, true, nil
		}
	}
	return Input{}, false, nil
}

// Check returns ErrHeld, of kind fail.Model and with both SHA-256, if a lock names a different input of this name.
func (l Lock) Check(in Input) error {
	for _, path := range l {
		c, err := read(path)
		if err != nil {
			return err
		}
		if err := c.check(in, path); err != nil {
			return err
		}
	}
	return nil
}

// Hold checks the inputs and adds those that a lock does not name. Each file is complete at any time, and unchanged if
// nothing is added.
func (l Lock) Hold(ctx context.Context, inputs ...Input) error {
	for _, in := range inputs {
		if err := in.check(); err != nil {
			return fmt.Errorf("lock entry %q: %w", in.Name, err)
		}
		if err := l.Check(in); err != nil {
			return err
		}
	}
	for _, path := range l {
		if err := extend(ctx, path, inputs); err != nil {
			return err
		}
	}
	return nil
}

// extend adds the missing inputs to one lock file.
func extend(ctx context.Context, path string, inputs []Input) error {
	c, err := read(path)
	if err != nil {
		return err
	}
	if !c.lacks(inputs) {
		return nil
	}
	const hint = "Name a file with --lock that fx may write, in an existing folder."
	release, err := durable.WaitLock(ctx, filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".lock"),
		func() {})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fail.Wrap(fail.Usage, err, hint, "the lock %s", path)
	}
	defer release()
	if c, err = read(path); err != nil { // another process may have written it
		return err
	}
	for _, in := range inputs {
		if err := c.check(in, path); err != nil {
			return err
		}
		c.add(in)
	}
	text, err := c.encode()
	if err != nil {
		return err
	}
	return fail.Wrap(fail.Usage, durable.WriteBytes(path, text), hint, "the lock %s", path)
}
