package lockfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/userfile"
)

// formatVersion is the version of the files that this package writes and reads.
const formatVersion = 1

// maxBytes limits a lock file, which names a handful of inputs.
const maxBytes = 1 << 20

// content is the content of a lock file. The zero value stands for a missing file.
type content struct {
	FormatVersion int     `json:"format_version"`
	Inputs        []Input `json:"inputs"` // sorted by name, no name twice
}

// read returns the content of a lock file, the zero value if it is missing.
func read(path string) (content, error) {
	var c content
	text, err := userfile.Read(path, maxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case errors.Is(err, durable.ErrNotRegular):
		return c, fail.New(fail.Usage, "Name a file such as lock.json with --lock.", "the lock %s is not a file", path)
	case errors.Is(err, userfile.ErrTooLarge):
		return c, damaged(path, fmt.Errorf("more than %d bytes, where a lock has a few hundred", maxBytes))
	case fail.AboutFile(err):
		return c, fail.Wrap(fail.Usage, err, "Name a lock file that fx may read.", "the lock %s", path)
	case err != nil:
		return c, fail.Wrap(fail.System, err, "Name a lock file that fx may read.", "the lock %s", path)
	}
	var format struct {
		FormatVersion *int `json:"format_version"`
	}
	if err := json.Unmarshal(text, &format); err != nil {
		return c, damaged(path, err)
	}
	switch {
	case format.FormatVersion == nil:
		return c, damaged(path, errors.New("it has no format_version"))
	case *format.FormatVersion != formatVersion:
		return c, fail.New(fail.Model, "Use the fx that wrote it, or another --lock.",
			"the lock %s has format version %d; this fx reads version %d",
			path, *format.FormatVersion, formatVersion)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return content{}, damaged(path, err)
	}
	for i, in := range c.Inputs {
		if err := in.check(); err != nil {
			return content{}, damaged(path, fmt.Errorf("input %d, %.100q: %w", i+1, in.Name, err))
		}
	}
	c.sort()
	for i := range c.Inputs[min(1, len(c.Inputs)):] {
		if c.Inputs[i].Name == c.Inputs[i+1].Name {
			return content{}, damaged(path, fmt.Errorf("%.100q twice", c.Inputs[i].Name))
		}
	}
	return c, nil
}

func damaged(path string, err error) error {
	return fail.Wrap(fail.Model, err, "Restore the file, or remove it: the next run then writes what it finds.",
		"the lock %s is damaged", path)
}

// check validates an entry.
func (in Input) check() error {
	switch {
	case in.Name == "":
		return errors.New("no name")
	case !filehash.IsSHA256(in.SHA256):
		return fmt.Errorf("%.100q is no SHA-256 in lower-case hex", in.SHA256)
	case in.Bytes < 0:
		return fmt.Errorf("%d bytes", in.Bytes)
	}
	return nil
}

func (c *content) sort() {
	slices.SortStableFunc(c.Inputs, func(a, b Input) int { return strings.Compare(a.Name, b.Name) })
}

func (c *content) find(name string) (Input, bool) {
	i := slices.IndexFunc(c.Inputs, func(in Input) bool { return in.Name == name })
	if i < 0 {
		return Input{}, false
	}
	return c.Inputs[i], true
}

func (c *content) lacks(inputs []Input) bool {
	return slices.ContainsFunc(inputs, func(in Input) bool { _, found := c.find(in.Name); return !found })
}

func (c *content) add(in Input) {
	if _, found := c.find(in.Name); !found {
		c.Inputs = append(c.Inputs, in)
		c.sort()
	}
}

// check returns an error if c, the content of the lock at path, names another input.
func (c *content) check(in Input, path string) error {
	wanted, found := c.find(in.Name)
	if !found || wanted.SHA256 == in.SHA256 {
		return nil
	}
	where := in.Path
	if where == "" {
		where = in.File
	}
	return fail.Wrap(fail.Model, ErrHeld,
		fmt.Sprintf("Take the file with the SHA-256 that the lock names, from the machine that wrote it, in place "+
			"of %s. If the new one is intended, remove its entry from %s.", where, path),
		"%s (%s) has SHA-256 %s, and the lock %s names %s with SHA-256 %s", in.Name, where, in.SHA256, path,
		wanted.File, wanted.SHA256)
}

func (c *content) encode() ([]byte, error) {
	c.FormatVersion = formatVersion
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(c)
	return b.Bytes(), err
}
