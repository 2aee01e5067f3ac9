package outpath

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"

	"fx/internal/durable"
)

// mark is a JSON file that tells what a folder holds. Others have a model.json
// and a manifest.json too: only one with these keys is fx's.
type mark struct {
	path string // in the folder; the first part may be a pattern
	keys []string
}

// maxMark is how much of a file is read for its keys.
const maxMark = 16 << 20

// in tells whether dir, which holds the entries, has the mark. The error is the system's.
func (m mark) in(dir string, entries []fs.DirEntry) (bool, error) {
	first, rest := m.path, ""
	if folder, file := path.Split(m.path); folder != "" {
		first, rest = path.Clean(folder), file
	}
	for _, e := range entries {
		if ok, _ := path.Match(first, e.Name()); !ok { // the patterns are right
			continue
		}
		if has, err := m.is(filepath.Join(dir, e.Name(), rest)); has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// is tells whether the file has the keys. One that is torn or damaged before
// them counts too: what can't be read says nothing against its name. One that the
// system fails to open or to read is an error.
func (m mark) is(file string) (bool, error) {
	f, err := durable.OpenToRead(file)
	if err != nil {
		return false, systemFailed(err)
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
	if err := systemFailed(err); err != nil {
		return false, err
	}
	return len(missing) == 0 || err != nil && from.N > 0, nil
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
