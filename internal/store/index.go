package store

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/userfile"
)

// index lists the shards as the last run left them when it finished. It is
// removed before a finishing run touches a shard and written after, so that it never
// names a file that is not there; shards beyond it are of a run that has not finished.
type index struct {
	FormatVersion int            `json:"format_version"`
	Shards        []indexedShard `json:"shards"`
}

type indexedShard struct {
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"` // of the file without its two seals, as in the seals
}

func (f *shardFile) entry() indexedShard {
	return indexedShard{Name: f.name, Rows: len(f.rows), SHA256: hex.EncodeToString(f.seal.whole[:])}
}

// names returns the set of the listed files.
func (x index) names() map[string]bool {
	set := make(map[string]bool, len(x.Shards))
	for _, s := range x.Shards {
		set[s.Name] = true
	}
	return set
}

// readIndex returns the zero index where there is none: the store is then taken as
// unfinished. damage says why one that is there can't be trusted.
func readIndex(dir string) (x index, damage error) {
	text, err := userfile.ReadJSON(filepath.Join(dir, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return index{}, nil
	}
	if err == nil {
		err = checksum.Verify(indexFile, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &x)
	}
	if err != nil || x.FormatVersion != formatVersion {
		return index{}, err
	}
	return x, nil
}

// writeIndex writes x unless it stands there already.
func writeIndex(dir string, x index) error {
	x.FormatVersion = formatVersion
	text, err := checksum.Marshal(x)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, indexFile)
	if old, err := durable.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeFailed(writeFile(path, text), path, len(text))
}

func removeIndex(dir string) error { return remove(dir, indexFile) }

// remove removes a file of the store durably; one that is gone already is no error.
func remove(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeFailed(err, path, 0)
	}
	return durable.SyncDir(dir)
}
