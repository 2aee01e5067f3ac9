package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/userfile"
)

// A safetensors file may be split into shards, with an index beside them: model.safetensors.index.json, whose
// weight_map has the shard of each tensor. Source: huggingface_hub, serialization/_torch.py.
const (
	IndexEnding = ".index.json" // after the name of the file that is split

	maxIndex  = 16 << 20
	maxShards = 1000

	shardsHint = "Put all the shards that the index names beside it, as they were published together."
)

// index is a weight_map, and the folder that has its shards.
type index struct {
	path   string
	shards []string          // file names, sorted
	shard  map[string]string // of each tensor
}

// isIndex reports whether a file that begins with head may be an index.
func isIndex(head []byte, size int64) bool {
	return !beginsAsSafetensors(head, size) && bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{"))
}

// readIndex reads an index. A shard's name must be that of a file in the same folder: nobody's index reads another
// one.
func readIndex(path string) (index, error) {
	text, err := userfile.Read(path, maxIndex)
	if err != nil {
		return index{}, fail.Wrap(fail.Model, err, damagedHint, "an index of shards")
	}
	var content struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &content); err != nil || len(content.Map) == 0 {
		return index{}, fail.New(fail.Model, damagedHint,
			"%s: a text file, not weights, nor an index of shards with a weight_map", path)
	}
	ix := index{path: path, shard: content.Map}
	for tensor, name := range ix.shard {
		if name != filepath.Base(name) || strings.ContainsAny(name, `/\:`) || !filepath.IsLocal(name) ||
			!strings.HasSuffix(name, ".safetensors") {
			return index{}, fail.New(fail.Model, damagedHint, "%s: tensor %.100q is in %.100q, which is no name of a "+
				"safetensors file beside the index", path, tensor, name)
		}
		ix.shards = append(ix.shards, name)
	}
	slices.Sort(ix.shards)
	ix.shards = slices.Compact(ix.shards)
	if len(ix.shards) > maxShards {
		return index{}, fail.New(fail.Model, damagedHint, "%s names %d shards, more than the %d that fx accepts", path,
			len(ix.shards), maxShards)
	}
	return ix, nil
}

func (ix index) at(shard string) string { return filepath.Join(filepath.Dir(ix.path), shard) }

// missing turns the absence of a shard into an error of the index.
func (ix index) missing(shard string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fail.New(fail.Model, shardsHint, "%s names the shard %s, which is missing", ix.path, shard)
	}
	return err
}

// read returns the tensors of all shards.
func (ix index) read(info *Info) (*StateDict, error) {
	total := int64(0)
	for _, shard := range ix.shards {
		stat, err := os.Stat(ix.at(shard))
		if err != nil {
			return nil, ix.missing(shard, err)
		}
		if total += stat.Size(); total > maxFile {
			return nil, fail.New(fail.Model, damagedHint, "%s: more than the %d bytes that fx accepts", ix.path,
				int64(maxFile))
		}
	}
	all, sums := NewStateDict(), shardSums{}
	for _, name := range ix.shards {
		of := Info{Path: ix.at(name)}
		file, err := readAll(of.Path, &of)
		if err != nil {
			return nil, named(of.Path, ix.missing(name, err))
		}
		shard, err := decodeSafetensors(file)
		if err != nil {
			return nil, named(of.Path, err)
		}
		for _, tensor := range shard.Names() {
			if ix.shard[tensor] != name {
				return nil, fail.New(fail.Model, shardsHint, "%s has the tensor %.100q, which the index %s does not "+
					"expect there", of.Path, tensor, ix.path)
			}
			t, _ := shard.Get(tensor)
			all.Set(tensor, t)
		}
		for key, value := range shard.Metadata {
			all.Metadata[key] = value
		}
		sums.add(name, of.SHA256, of.Bytes)
	}
	if missing := len(ix.shard) - all.Len(); missing > 0 {
		return nil, fail.New(fail.Model, shardsHint, "the shards of %s lack %d of its tensors", ix.path, missing)
	}
	info.Format, info.SHA256, info.Bytes = Safetensors, sums.sum(), sums.bytes
	return all, nil
}

// shardSums is what sha256sum prints for all shards, sorted by name.
type shardSums struct {
	lines strings.Builder
	bytes int64
}

func (s *shardSums) add(name, sha256 string, bytes int64) {
	fmt.Fprintf(&s.lines, "%s  %s\n", sha256, name)
	s.bytes += bytes
}

func (s *shardSums) sum() string {
	sum := sha256.Sum256([]byte(s.lines.String()))
	return hex.EncodeToString(sum[:])
}

// Shards returns the names of the files beside the index at path that have its tensors, sorted.
func Shards(path string) ([]string, error) {
	ix, err := readIndex(path)
	return ix.shards, err
}

// Sum returns the SHA-256 and the length of a file of weights as Info has them: for an index, of all its shards
// together. The SHA-256 of shards is that of what `sha256sum` prints for them, in the order of their names.
func Sum(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := durable.OpenToRead(path)
	if err != nil {
		return "", 0, err
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(file, head)
	info, statErr := file.Stat()
	_ = file.Close() // only read from
	if statErr != nil {
		return "", 0, statErr
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", 0, err
	}
	if !isIndex(head[:n], info.Size()) {
		return filehash.RememberedSum(ctx, path)
	}
	ix, err := readIndex(path)
	if err != nil {
		return "", 0, err
	}
	var sums shardSums
	for _, shard := range ix.shards {
		sum, size, err := filehash.RememberedSum(ctx, ix.at(shard))
		if err != nil {
			return "", 0, ix.missing(shard, err)
		}
		sums.add(shard, sum, size)
	}
	return sums.sum(), sums.bytes, nil
}
