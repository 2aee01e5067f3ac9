package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
)

// Names of files in a store.
const (
	manifestFile    = "manifest.json"
	indexFile       = "index.json"
	lockFile        = "lock"
	maintenanceFile = "maintenance.lock"
	statCacheFile   = "statcache"
)

// SHA256 is a photo's SHA-256.
type SHA256 [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (h SHA256) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the text of String, for JSON.
func (h SHA256) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText parses the text of MarshalText.
func (h *SHA256) UnmarshalText(text []byte) (err error) {
	*h, err = parseSHA256(string(text))
	return err
}

// parseSHA256 parses 64 hexadecimal digits.
func parseSHA256(text string) (SHA256, error) {
	var h SHA256
	if len(text) != hex.EncodedLen(len(h)) {
		return h, fmt.Errorf("%d characters are no SHA-256 of %d", len(text), hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], []byte(text))
	return h, err
}

// Shard is the part of a job that one of several processes does: the photos whose paths it owns. The zero value is the
// whole job.
type Shard struct {
	Index, Count int // 0 ≤ Index < Count; Count 0 means the whole job
}

// ParseShard parses "i/n" with 0 ≤ i < n, such as "0/4"; "" is the whole job.
func ParseShard(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	first, second, found := strings.Cut(text, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	s := Shard{Index: i, Count: n}
	if !found || errI != nil || errN != nil || n < 1 || s.check() != nil {
		return Shard{}, fail.New(fail.Usage, "Write --shard 0/4, 1/4, 2/4 and 3/4 for four processes.",
			"shard %q is not i/n with 0 ≤ i < n", text)
	}
	return s, nil
}

func (s Shard) check() error {
	if s != (Shard{}) && (s.Count < 1 || s.Count > 1e6 || s.Index < 0 || s.Index >= s.Count) {
		return fmt.Errorf("shard %d/%d is not i/n with 0 ≤ i < n", s.Index, s.Count)
	}
	return nil
}

// whole reports whether s is the whole job.
func (s Shard) whole() bool { return s.Count == 0 }

// String returns "i/n", or "" for the whole job.
func (s Shard) String() string {
	if s.whole() {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Count)
}

// Owns reports whether the photo with this path (Entry.Rel) belongs to the shard. Each path, also of a photo that is
// gone, belongs to exactly one of the Count shards: the first 8 bytes of its SHA-256, big-endian, modulo Count.
func (s Shard) Owns(rel string) bool {
	if s.whole() {
		return true
	}
	sum := sha256.Sum256([]byte(rel))
	return binary.BigEndian.Uint64(sum[:])%uint64(s.Count) == uint64(s.Index)
}

// suffix returns the shard's suffix in file names: "", or "-0-of-4".
func (s Shard) suffix() string {
	if s.whole() {
		return ""
	}
	return fmt.Sprintf("-%d-of-%d", s.Index, s.Count)
}

// shardName is a parsed name of a shard file.
type shardName struct {
	shard  Shard
	number int
	part   string // ID of a part, which has no number; else ""
}

func (n shardName) String() string {
	if n.part != "" {
		return partName(n.part, "arrow")
	}
	return fmt.Sprintf("shard%s-%05d.arrow", n.shard.suffix(), n.number)
}

var partPattern = regexp.MustCompile(`^part-([0-9a-f]{32})\.arrow$`)

var shardPattern = regexp.MustCompile(`^shard(?:-(\d{1,7})-of-(\d{1,7}))?-(\d{5,9})\.arrow$`)

func parseShardName(name string) (shardName, bool) {
	if m := partPattern.FindStringSubmatch(name); m != nil {
		return shardName{part: m[1]}, true
	}
	m := shardPattern.FindStringSubmatch(name)
	if m == nil {
		return shardName{}, false
	}
	var n shardName
	n.number, _ = strconv.Atoi(m[3]) // digits by the pattern
	if m[1] != "" {
		n.shard.Index, _ = strconv.Atoi(m[1])
		n.shard.Count, _ = strconv.Atoi(m[2])
	}
	return n, n.String() == name && n.shard.check() == nil
}

// before is the order in which shards are read: first those of the whole job, then by process and number, parts last.
func (n shardName) before(m shardName) bool {
	if n.part != m.part {
		return n.part < m.part
	}
	if n.shard.Count != m.shard.Count {
		return n.shard.Count < m.shard.Count
	}
	if n.shard.Index != m.shard.Index {
		return n.shard.Index < m.shard.Index
	}
	return n.number < m.number
}

// listShards returns the names of dir's shard files in order.
func listShards(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, ok := parseShardName(e.Name()); ok && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, _ := parseShardName(names[i])
		b, _ := parseShardName(names[j])
		return a.before(b)
	})
	return names, nil
}

// writeFile is durable.WriteBytes; tests replace it.
var writeFile = durable.WriteBytes

// writeFailed returns the error of a failed write with its kind and hint.
func writeFailed(err error, path string, size int) error {
	if err == nil {
		return nil
	}
	kind := fail.KindOf(err)
	if errors.Is(err, durable.ErrNotRegular) {
		return fail.Wrap(fail.Usage, err, "Remove it, and run the same command again.", "cannot write %s", path)
	}
	if kind == fail.DiskFull {
		return fail.Wrap(kind, err,
			fmt.Sprintf("Free some space (this file takes %d KiB) and run the same command again: what is finished is "+
				"kept.", size/1024+1), "cannot write %s", path)
	}
	return fail.Wrap(kind, err,
		"Check that fx may write there, and run the same command again: what is finished is kept.", "cannot write %s",
		path)
}
