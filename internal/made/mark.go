package made

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
)

// mark is a JSON file that tells what a folder holds. Others have a model.json
// and a manifest.json too: only one with these keys is fx's.
type mark struct {
	path string // in the folder; the first part may end in a star
	keys []string
}

// maxMark is how much of a file is read for its keys.
const maxMark = 16 << 20

// anyOf tells whether dir, which holds the entries, sorted by name, has one of the
// marks; one that is torn counts where it may. The error is the system's.
func anyOf(marks []mark, dir string, entries []fs.DirEntry, torn bool) (bool, error) {
	for _, m := range marks {
		if has, err := m.in(dir, entries, torn); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// in tells whether dir, which holds the entries, has the mark. Folders of photos are
// large: only entries of the mark's name are looked at.
func (m mark) in(dir string, entries []fs.DirEntry, torn bool) (bool, error) {
	first, rest := m.path, ""
	if folder, file := path.Split(m.path); folder != "" {
		first, rest = path.Clean(folder), file
	}
	name, pattern := strings.CutSuffix(first, "*")
	from, _ := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int {
		return strings.Compare(e.Name(), name)
	})
	for _, e := range entries[from:] {
		if e.Name() != name && (!pattern || !strings.HasPrefix(e.Name(), name)) {
			break
		}
		if has, err := m.is(filepath.Join(dir, e.Name(), rest), torn); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// is tells whether the file has the keys. Where torn counts, one that is damaged before
// them does too: what can't be read says nothing against its name. One that the
// system fails to open or to read is an error.
func (m mark) is(file string, torn bool) (bool, error) {
	f, err := durable.OpenToRead(file)
	if err != nil {
		return false, SystemFailed(err)
	}
	defer func() { _ = f.Close() }() // only read
	missing := map[string]bool{}
	for _, key := range m.keys {
		missing[key] = true
	}
	from := &io.LimitedReader{R: f, N: maxMark}
	err = eachKey(from, func(key string) bool {
		delete(missing, key)
		return len(missing) > 0
	})
	if err := SystemFailed(err); err != nil {
		return false, err
	}
	return len(missing) == 0 || torn && err != nil && from.N > 0, nil
}

// eachKey calls visit for the keys of a JSON object until that is false. An error
// tells that the text is no JSON. JSON that is no object has no keys.
func eachKey(from io.Reader, visit func(key string) bool) error {
	decoder := json.NewDecoder(from)
	begin, err := decoder.Token()
	if err != nil || begin != json.Delim('{') {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		if name, ok := key.(string); !ok || !visit(name) {
			return nil
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// SystemFailed returns err, with what failed, where it is the system's, else nil: a
// folder or file that is not there or can't be read is of no kind.
func SystemFailed(err error) error {
	if !fail.BySystem(err) {
		return nil
	}
	return fail.Wrap(fail.KindOf(err), err, "", "look for what fx made")
}
