package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/paths"
	"fx/internal/userfile"
)

// commitRecord is the registry's record of a repository at its first use.
type commitRecord struct {
	Version   int       `json:"version"`
	Repo      string    `json:"repo"`
	Commit    string    `json:"commit"`
	Endpoint  string    `json:"endpoint"` // of the hub
	FirstSeen time.Time `json:"first_seen"`
}

const commitVersion = 1

func commitPath(repo string) (string, error) {
	return paths.Cache("registry", "hub", strings.ReplaceAll(repo, "/", "--")+".json")
}

// recordedCommit returns the recorded commit of a repository, or "" before its first use.
func recordedCommit(repo string) (string, error) {
	path, err := commitPath(repo)
	if err != nil {
		return "", err
	}
	text, err := userfile.ReadJSON(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var r commitRecord
	err = json.Unmarshal(text, &r)
	switch {
	case err == nil && r.Version != commitVersion:
		return "", fail.New(fail.Other, "Use the newer fx that wrote it, or set FX_CACHE_DIR to another folder.",
			"%s has format version %d; this fx reads version %d", path, r.Version, commitVersion)
	case err != nil || r.Repo != repo || !commitName.MatchString(r.Commit):
		return "", fail.New(fail.Other, fmt.Sprintf("Delete %s: the next use of %s writes it again.", path, repo),
			"%s is damaged", path)
	}
	return r.Commit, nil
}

// record records the commit, unless one is recorded. If another process recorded another one meanwhile, r keeps its
// own: both are commits that main had.
func (r *Repo) record(ctx context.Context) error {
	err := r.writeRecord(ctx)
	if fetch.Unwritable(err) { // no reason to refuse good weights
		return nil
	}
	return fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.", "recording the commit of %s",
		r.Name)
}

func (r *Repo) writeRecord(ctx context.Context) error {
	path, err := commitPath(r.Name)
	if err != nil {
		return err
	}
	if known, err := recordedCommit(r.Name); err != nil || known != "" {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	unlock, err := durable.WaitLock(ctx, filepath.Join(filepath.Dir(path), ".lock"), func() {})
	if err != nil {
		return err
	}
	defer unlock()
	if known, err := recordedCommit(r.Name); err != nil || known != "" { // another process wrote it
		return err
	}
	if err := durable.RemoveStaleOf(path); err != nil {
		return err
	}
	text, err := json.MarshalIndent(commitRecord{Version: commitVersion, Repo: r.Name, Commit: r.Commit,
		Endpoint: r.endpoint, FirstSeen: time.Now().UTC().Truncate(time.Second)}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteBytes(path, append(text, '\n'))
}
