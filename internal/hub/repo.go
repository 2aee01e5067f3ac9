package hub

import (
	"cmp"
	"context"
	"crypto/sha1" // git's blobs are named by it
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/filehash"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/userfile"
)

// Repo is a model repository at one commit. Its methods expect file names as the repository has them, such as
// model.safetensors, with slashes below folders.
type Repo struct {
	Name   string       // such as timm/resnet50.a1_in1k
	Commit string       // 40 hex digits, or "" if it is not known before the first Fetch
	Client fetch.Client // for downloads
	settings
}

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Open returns the repository at the commit, or for "" at the recorded one, or else at the one that is main in the
// user's hub cache. Errors: fail.Usage for a wrong setting, name or commit.
func Open(name, commit string) (*Repo, error) {
	if !repoName.MatchString(name) || strings.Contains(name, "--") || strings.Contains(name, "..") {
		return nil, fail.New(fail.Usage, "Such a name is like timm/resnet50.a1_in1k.", "%q is no repository of the hub",
			name)
	}
	if commit != "" && !commitName.MatchString(commit) {
		return nil, fail.New(fail.Usage, "A commit has 40 hexadecimal digits.", "%q is no commit of %s", commit, name)
	}
	env, err := readSettings()
	if err != nil {
		return nil, err
	}
	r := &Repo{Name: name, Commit: commit, settings: env}
	if r.Commit == "" {
		if r.Commit, err = recordedCommit(name); err != nil {
			return nil, err
		}
	}
	if r.Commit == "" {
		text, err := userfile.Read(filepath.Join(r.cache, r.folder(), "refs", "main"), 1024)
		if main := strings.TrimSpace(string(text)); err == nil && commitName.MatchString(main) {
			r.Commit = main
		}
	}
	return r, nil
}

// folder is the repository's name in caches.
func (r *Repo) folder() string { return "models--" + strings.ReplaceAll(r.Name, "/", "--") }

// URL returns the address of a file: at the commit, or on main if it is not known.
func (r *Repo) URL(file string) string {
	return r.endpoint + "/" + r.Name + "/resolve/" + cmp.Or(r.Commit, "main") + "/" + file
}

// Path returns where Fetch stores a file. The commit must be known.
func (r *Repo) Path(file string) (string, error) {
	return paths.Cache("weights", r.folder(), r.Commit, filepath.FromSlash(file))
}

// EntryName returns the name of a file's entry in the registry of package fetch.
func (r *Repo) EntryName(file string) string {
	return r.folder() + "--" + r.Commit + "--" + strings.ReplaceAll(file, "/", "--")
}

// UserFile returns the path of a file in the user's hub cache, at the commit, and records the commit. Errors:
// fs.ErrNotExist if it is not there, fetch.ErrDigest if it is damaged.
func (r *Repo) UserFile(ctx context.Context, file string) (string, error) {
	if err := checkFile(file); err != nil {
		return "", err
	}
	if r.Commit == "" {
		return "", fs.ErrNotExist
	}
	found := filepath.Join(r.cache, r.folder(), "snapshots", r.Commit, filepath.FromSlash(file))
	blob, err := filepath.EvalSymlinks(found)
	if err != nil {
		return "", err
	}
	if sum := checksum(filepath.Base(blob)); sum.sha256() || sum.git() { // else a copy, as where there are no links
		if err := sum.check(ctx, blob); err != nil {
			return "", fmt.Errorf("%s: %w", found, err)
		}
	}
	return found, r.record(ctx)
}

// Fetch downloads a file of at most limit bytes, unless it is there. It sets Commit to the one that the hub names if it
// is not known, and records it. Errors have a hint; ErrNoFile means that the repository lacks the file.
func (r *Repo) Fetch(ctx context.Context, file string, limit int64, report progress.Reporter) (fetch.Result, error) {
	got, err := r.fetch(ctx, file, limit, report)
	return got, r.explain(err, file)
}

func (r *Repo) fetch(ctx context.Context, file string, limit int64, report progress.Reporter) (fetch.Result, error) {
	if err := checkFile(file); err != nil {
		return fetch.Result{}, err
	}
	if r.offline {
		return fetch.Result{}, fail.Wrap(fail.Other, ErrOffline, "Unset HF_HUB_OFFLINE.", "")
	}
	if err := r.readToken(); err != nil {
		return fetch.Result{}, err
	}
	f := fetch.File{URL: r.URL(file), Name: r.Name + "/" + file, Token: r.token, MaxBytes: limit}
	header, err := r.Client.Ask(ctx, f, report)
	if err != nil {
		return fetch.Result{}, fmt.Errorf("asking for %s: %w", f.URL, err)
	}
	commit := header.Get("X-Repo-Commit")
	etag := cmp.Or(header.Get("X-Linked-Etag"), header.Get("ETag"))
	sum := checksum(strings.Trim(strings.TrimPrefix(etag, "W/"), `"`))
	switch {
	case !commitName.MatchString(commit):
		return fetch.Result{}, r.noHub(f.URL, "names no commit")
	case r.Commit != "" && commit != r.Commit:
		return fetch.Result{}, r.noHub(f.URL, "names another commit, "+commit)
	case !sum.sha256() && !sum.git():
		return fetch.Result{}, r.noHub(f.URL, "states no checksum")
	}
	r.Commit = commit
	if err := r.record(ctx); err != nil {
		return fetch.Result{}, err
	}
	f.URL, f.Name = r.URL(file), r.EntryName(file)
	if f.Path, err = r.Path(file); err != nil {
		return fetch.Result{}, err
	}
	if f.Bytes, err = size(header); err != nil {
		return fetch.Result{}, r.noHub(f.URL, err.Error())
	}
	if sum.sha256() {
		f.SHA256Prefix = string(sum)
	} else {
		f.Check = func(path string) error { return sum.check(ctx, path) }
	}
	return r.Client.Get(ctx, f, report)
}

// noHub is the error for an answer that no hub gives.
func (r *Repo) noHub(address, does string) error {
	return fail.New(fail.Other, "Something between here and the hub, such as a proxy or a log-in page, may answer in "+
		"its place. If HF_ENDPOINT is set, it must be the address of a Hugging Face hub.", "the answer of %s %s",
		address, does)
}

// checkFile checks a file's name, which may come from an index in a repository.
func checkFile(name string) error {
	if name != path.Clean(name) || !filepath.IsLocal(filepath.FromSlash(name)) || name == "." ||
		strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune(`\:?#%`, r)
		}) {
		return fail.New(fail.Usage, "", "%q is no name of a file in a repository", name)
	}
	return nil
}

// checksum is the SHA-256 of a large file, or the name of a small file's git blob, in lower-case hex. Caches name blobs
// by it.
type checksum string

func (c checksum) sha256() bool { return filehash.IsSHA256(string(c)) }
func (c checksum) git() bool    { return commitName.MatchString(string(c)) }

// check returns fetch.ErrDigest if the file at path has another checksum.
func (c checksum) check(ctx context.Context, path string) error {
	var got string
	var err error
	if c.sha256() {
		got, _, err = filehash.RememberedSum(ctx, path)
	} else {
		got, err = gitBlob(ctx, path)
	}
	if err == nil && got != string(c) {
		err = fmt.Errorf("%w: its checksum is %s, and the hub states %s", fetch.ErrDigest, got, c)
	}
	return err
}

// gitBlob returns the name of the git blob with the content of the file.
func gitBlob(ctx context.Context, path string) (string, error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	hash := sha1.New()
	fmt.Fprintf(hash, "blob %d\x00", info.Size())
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), ctx.Err()
}
