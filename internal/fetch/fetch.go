package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/progress"
)

// Errors for errors.Is. All are of kind fail.Other and have a hint.
var (
	ErrUnreachable = errors.New("the server cannot be reached")                   // no network, or no answer in time
	ErrRefused     = errors.New("the server refuses the file")                    // 404 and the like
	ErrDigest      = errors.New("the file is not the one that it should be")      // wrong SHA-256 or length
	ErrTooBig      = errors.New("the file is larger than the limit")              // more than MaxBytes
	ErrIncomplete  = errors.New("the connection ended before the file was whole") // over and over
	// less than Client.MinRate, over and over
	ErrTooSlow = errors.New("the server sends too little")
	// in its ranges and lengths, over and over
	ErrInconsistent = errors.New("the server contradicts itself")
)

// File is what to fetch.
type File struct {
	URL          string
	Path         string                  // where to store it; its folder is created
	SHA256Prefix string                  // lower-case hex that its SHA-256 begins with, up to all 64 digits, or ""
	Bytes        int64                   // its length if known: any other is refused; 0 is the registry's, or unknown
	MaxBytes     int64                   // refuse more; 0 is 4 GiB
	Check        func(path string) error // checks the content, before the file gets its name or if it exists, or nil
	Name         string                  // of its entry in the registry, "" for that of Path
	Token        string                  // a bearer token that only the host of URL gets, or ""

	seen Entry // its entry in the registry, zero before its first use
}

// name returns the name of the file's entry in the registry.
func (f File) name() string { return cmp.Or(f.Name, filepath.Base(f.Path)) }

// Result describes the file, complete and verified.
type Result struct {
	Path       string
	SHA256     string // in lower-case hex
	Bytes      int64
	Seen       Seen  // when this machine first saw it
	Downloaded bool  // false if Path existed
	Resumed    int64 // bytes from an earlier try
}

// Client holds the limits and timeouts of downloads. The zero value is ready for use.
type Client struct {
	Transport http.RoundTripper // nil: proxies from the environment, 10 s to connect
	// tries in a row that gain less than MinRate × Window bytes, and starts from the first byte; 0 is 4
	Attempts int
	Backoff  time.Duration // pause after the first failed try, doubled after each; 0 is 500 ms
	Stall    time.Duration // how long no byte may come before a try counts as failed; 0 is 30 s
	MinRate  int64         // bytes a second, over each Window, below which a try counts as failed; 0 is 1024
	Window   time.Duration // 0 is one minute
}

// Get fetches f with the zero Client.
func Get(ctx context.Context, f File, report progress.Reporter) (Result, error) {
	return (&Client{}).Get(ctx, f, report)
}

// Get returns f.Path at once if it exists, matches the registry and passes f.Check, and downloads it otherwise. After
// ctx is cancelled, the bytes received so far are kept for a later Get.
func (c *Client) Get(ctx context.Context, f File, report progress.Reporter) (Result, error) {
	f.SHA256Prefix = strings.ToLower(f.SHA256Prefix)
	f.bound()
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil {
		return Result{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.",
			"no folder to download into")
	}
	if result, err := f.cached(ctx); !errors.Is(err, fs.ErrNotExist) {
		return result, err
	}
	unlock, err := durable.WaitLock(ctx, f.Path+".lock", func() {
		report.Note(fmt.Sprintf("waiting: another process downloads %s", filepath.Base(f.Path)))
	})
	if err != nil {
		return Result{}, fmt.Errorf("waiting for the lock of %s: %w", f.Path, err)
	}
	defer unlock()
	if result, err := f.cached(ctx); !errors.Is(err, fs.ErrNotExist) { // the other process got it
		return result, err
	}
	result, err := c.download(ctx, f, report)
	if errors.Is(err, ErrDigest) && result.Resumed > 0 {
		report.Note(fmt.Sprintf("the resumed download of %s is damaged; starting over", filepath.Base(f.Path)))
		result, err = c.download(ctx, f, report) // the part is gone
	}
	if err != nil && ctx.Err() != nil {
		return Result{}, fmt.Errorf("downloading %s: %w", f.URL, ctx.Err())
	}
	return result, err
}

// bound sets the file's largest size. A file that was seen before must have the same length.
func (f *File) bound() {
	if f.MaxBytes == 0 {
		f.MaxBytes = 4 << 30
	}
	if seen, err := Lookup(f.name()); err == nil { // Record reports an unreadable entry
		f.seen = seen
		f.Bytes = cmp.Or(f.Bytes, seen.Bytes)
	}
	if f.Bytes > 0 {
		f.MaxBytes = min(f.MaxBytes, f.Bytes)
	}
}

// cached checks an existing file.
func (f File) cached(ctx context.Context) (Result, error) {
	sum, size, err := filehash.RememberedSum(ctx, f.Path)
	if err != nil {
		return Result{}, err
	}
	if !strings.HasPrefix(sum, f.SHA256Prefix) {
		return Result{}, fail.Wrap(fail.Other, ErrDigest,
			fmt.Sprintf("Delete %s; the next run downloads it again.", f.Path),
			"%s was damaged or changed: its SHA-256 is %s and must %s", f.Path, sum, Demand(f.SHA256Prefix))
	}
	seen, err := RecordChecked(Entry{Name: f.name(), SHA256: sum, Bytes: size, From: f.URL},
		func() error { return f.check(f.Path, f.Path) })
	if err != nil {
		return Result{}, err
	}
	return Result{Path: f.Path, SHA256: sum, Bytes: size, Seen: seen}, nil
}

// download completes the part, verifies it and renames it.
func (c *Client) download(ctx context.Context, f File, report progress.Reporter) (Result, error) {
	p, err := openPart(f.Path, f.URL)
	if err != nil {
		return Result{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.",
			"downloading %s", f.URL)
	}
	defer p.close()
	result := Result{Path: f.Path, Downloaded: true}
	err = c.complete(ctx, f, p, report)
	result.Resumed = p.resumed
	if err != nil {
		hint := f.byHand()
		if fail.HintOf(err) != "" { // a better one
			hint = ""
		}
		return result, fail.Wrap(fail.Other, err, hint, "downloading %s", f.URL)
	}
	if err := p.sync(); err != nil {
		return result, fail.Wrap(fail.Other, err, "", "downloading %s", f.URL)
	}
	if result.SHA256, result.Bytes, err = filehash.RememberedSum(ctx, p.path); err != nil {
		return result, fail.Wrap(fail.Other, err, "", "downloading %s", f.URL)
	}
	if result.Seen, err = f.verify(p.path, result); err != nil {
		if errors.Is(err, ErrDigest) {
			p.discard()
		}
		return result, err
	}
	if err := os.Rename(p.path, f.Path); err != nil {
		return result, fail.Wrap(fail.Other, err, "", "downloading %s", f.URL)
	}
	p.forget()
	return result, fail.Wrap(fail.Other, durable.SyncDir(filepath.Dir(f.Path)), "", "downloading %s", f.URL)
}

// verify checks the downloaded bytes.
func (f File) verify(part string, r Result) (Seen, error) {
	if !strings.HasPrefix(r.SHA256, f.SHA256Prefix) {
		return Seen{}, fail.Wrap(fail.Other, ErrDigest,
			"Something between here and the server changes files: a proxy, or a log-in page. "+f.byHand(),
			"%s gave %d bytes with SHA-256 %s, which must %s", f.URL, r.Bytes, r.SHA256, Demand(f.SHA256Prefix))
	}
	return RecordChecked(Entry{Name: f.name(), SHA256: r.SHA256, Bytes: r.Bytes, From: f.URL},
		func() error { return f.check(part, "what "+f.URL+" gave") })
}

// check calls File.Check. An error that is not the file's fault stays as it is, so that the file is kept.
func (f File) check(path, what string) error {
	if f.Check == nil {
		return nil
	}
	err := f.Check(path)
	if err == nil || fail.BySystem(err) {
		return err
	}
	hint := f.byHand()
	if fail.HintOf(err) != "" { // a better one
		hint = ""
	}
	return fail.Wrap(fail.Other, fmt.Errorf("%w: %w", ErrDigest, err), hint, "%s", what)
}

// Demand describes the SHA-256 that a prefix requires, for messages such as "it must be 57934424…".
func Demand(prefix string) string {
	if filehash.IsSHA256(prefix) {
		return "be " + prefix
	}
	return "begin with " + prefix
}

// byHand is the hint for a machine without a network.
func (f File) byHand() string {
	return fmt.Sprintf("On a machine with a network, download %s and put it here as %s.", f.URL, f.Path)
}
