package outpath

import (
	"os"
	"strings"

	"fx/internal/durable"
	"fx/internal/made"
)

// Alone tells whether dir is of this kind and holds nothing else, such as photos. The
// error is the system's.
func (f *Folder) Alone(dir string) (bool, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return false, made.SystemFailed(err)
	}
	own, err := f.Finished(dir, list)
	if err != nil || !own {
		return false, err
	}
	for _, e := range list {
		if !f.knows(e.Name()) && !strings.HasPrefix(e.Name(), ".") && !durable.IsTemporary(e.Name()) {
			return false, nil
		}
	}
	return true, nil
}

// Owner names what dir is, where commands made it of parts that belong together and
// that no other command replaces one by one, or "". The error is the system's.
func Owner(dir string) (string, error) {
	for _, f := range []*Folder{Experiment, Quickstart} {
		if is, err := f.In(dir); is || err != nil {
			return f.What, err
		}
	}
	return "", nil
}
