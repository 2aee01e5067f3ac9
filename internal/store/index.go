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

// index lists the shards of the last finished run. Finish removes it before it touches a shard and writes it
// afterwards, so it never lists a missing file. Shards that it does not list belong to an unfinished run.
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

// readIndex returns the zero index if there is none; the store then counts as unfinished. damage is why an index can't
// be trusted.
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

// writeIndex writes x unless the file has this content.
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

// remove removes a file of the store durably. A missing file is no error.
func remove(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeFailed(err, path, 0)
	}
	return durable.SyncDir(dir)
}
