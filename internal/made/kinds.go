package made

import (
	"io/fs"
	"os"
)

// Kind is a kind of folder that fx makes.
type Kind struct {
	What string // such as "an embedding store"

	marks []mark // format files: any one of them tells the kind
	begun []mark // format files of parts, which are there before the folder's own
}

// The kinds. "format_version" comes first in each format file, and has been there
// from the beginning.
var (
	Store = Kind{
		What:  "an embedding store",
		marks: []mark{{"manifest.json", storeKeys}},
	}
	Model = Kind{
		What:  "a model",
		marks: []mark{{"model.json", []string{"format_version", "backbone", "head"}}},
	}
	Run = Kind{
		What:  "a run of `fx finetune`",
		marks: []mark{{"run.json", []string{"format_version", "id", "status", "settings"}}},
	}
	Experiment = Kind{
		What:  "an experiment",
		marks: []mark{{"experiment.json", []string{"format_version", "name", "runs"}}},
	}
	Artifacts = Kind{
		What:  "the training graphs of `fx artifacts generate`",
		marks: []mark{{"artifacts.json", []string{"format_version", "network", "classes", "parameters"}}},
	}
	Quickstart = Kind{
		What:  "what `fx quickstart` made",
		marks: []mark{{"summary.json", []string{"format_version", "inputs_sha256", "files"}}},
		begun: []mark{{"features/manifest.json", storeKeys}},
	}
	Demo = Kind{ // it has no format file of its own
		What:  "what `fx demo` made",
		begun: []mark{{"features-*/manifest.json", storeKeys}},
	}
	NPY = Kind{
		What:  "features exported to numpy's files",
		marks: []mark{{"rows.json", []string{"classes", "path"}}},
	}
	Checkpoint = Kind{
		What:  "a checkpoint",
		marks: []mark{{"state.json", []string{"format_version", "network"}}},
	}
)

var storeKeys = []string{"format_version", "backbone", "graph_sha256"}

// all are the kinds, those first that contain others.
var all = []Kind{Run, Store, Model, Experiment, Artifacts, Quickstart, Demo, NPY, Checkpoint}

// By says what dir is, which holds the entries, sorted by name: a kind's What, also of a
// folder that is not finished, or "". A format file that can't be read tells nothing: the
// folder may be one of photos. The error is the system's.
func By(dir string, entries []fs.DirEntry) (what string, err error) {
	for _, k := range all {
		for _, marks := range [][]mark{k.marks, k.begun} {
			if is, err := anyOf(marks, dir, entries, false); is || err != nil {
				return k.What, err
			}
		}
	}
	return "", nil
}

// In tells whether dir is a folder of this kind. The error is the system's: a folder
// that is not there is of no kind.
func (k Kind) In(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, SystemFailed(err)
	}
	return k.Finished(dir, entries)
}

// Finished tells whether dir, which holds the entries, sorted by name, has the kind's
// format file. The error is the system's.
func (k Kind) Finished(dir string, entries []fs.DirEntry) (bool, error) {
	return anyOf(k.marks, dir, entries, true)
}

// Begun tells whether dir, which holds the entries, sorted by name, has format files of
// the kind's parts. The error is the system's.
func (k Kind) Begun(dir string, entries []fs.DirEntry) (bool, error) {
	return anyOf(k.begun, dir, entries, true)
}

// HasMark tells whether a format file of the kind is called so.
func (k Kind) HasMark(name string) bool {
	for _, m := range k.marks {
		if m.path == name {
			return true
		}
	}
	return false
}
