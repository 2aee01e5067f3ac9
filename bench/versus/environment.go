package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"fx/bench/internal/command"
	"fx/bench/internal/pyenv"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/machine"
)

// environment creates what the sides read and run: programs, the peers' Python
// environment, photos, weights, networks. It reuses what exists.
type environment struct {
	options
	log     func(format string, args ...any)
	setting setting
	photos  photoTree
}

// open creates what all comparisons need.
func (w *environment) open(ctx context.Context) error {
	if w.fx == "" {
		var err error
		if w.fx, err = w.goProgram(ctx, "fx", ".", "."); err != nil {
			return err
		}
	}
	if w.python == "" {
		var err error
		if w.python, err = pyenv.Python(ctx, filepath.Join(w.cache, "peers"),
			filepath.Join(w.scripts, "requirements.txt"), w.log); err != nil {
			return fail.Wrap(fail.Other, err, "--python takes an environment that is ready.",
				"the peers can't be installed")
		}
	}
	var err error
	if w.data == "" { // the section needs no photos
		w.log("no photos are needed")
	} else if w.photos, err = copyPhotos(ctx, w.data, filepath.Join(w.out,
		"photos"), w.options.photos, w.log); err != nil {
		return err
	}
	sum, _, err := filehash.Sum(ctx, w.fx)
	if err != nil {
		return err
	}
	w.setting = setting{Hardware: machine.Describe(), Threads: w.threads, Photos: len(w.photos.rel),
		Data: w.photos.sha256, FX: sum, Commit: commit(ctx)}
	text, err := command.Output(ctx, w.python, w.script("versions.py"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &w.setting.Versions); err != nil {
		return err
	}
	var doctor struct{ Library struct{ Version string } }
	if err := needJSON(ctx, []string{w.fx, "runtime", "doctor", "--json"}, &doctor); err != nil {
		return fail.Wrap(fail.Device, err, "fx runtime install fetches it.", "fx has no ONNX Runtime")
	}
	w.setting.Versions["ONNX Runtime of fx"] = doctor.Library.Version
	w.setting.Versions["Go"] = strings.TrimPrefix(runtime.Version(), "go")
	return nil
}

// goProgram builds a package of the module in the folder module. The bits depend only on the
// code, so that other commits do not invalidate measurements.
func (w *environment) goProgram(ctx context.Context, name, module, pkg string) (string, error) {
	if ready := w.programs[name]; ready != "" {
		return ready, nil
	}
	if _, err := os.Stat(filepath.Join(module, pkg)); err != nil {
		return "", fail.Wrap(fail.Usage, err, "Run it in the root of the repository.", "no package to build")
	}
	path := filepath.Join(w.cache, name)
	absolute, err := filepath.Abs(path)
	if err == nil {
		_, err = command.Output(ctx, "go", "-C", module, "build", "-trimpath", "-buildvcs=false", "-o", absolute,
			"./"+pkg)
	}
	return path, err
}

// script returns the path of a peer's script.
func (w *environment) script(name string) string { return filepath.Join(w.scripts, name) }

// peer returns the command that runs a peer's script.
func (w *environment) peer(script string, args ...string) []string {
	return append([]string{w.python, w.script(script)}, args...)
}

// fxCommand returns a command of fx that prints JSON.
func (w *environment) fxCommand(args ...string) []string {
	return append(append([]string{w.fx}, args...), "--json", "--quiet")
}

// extract returns the command of an extraction; fx chooses the number of workers unless
// it was set.
func (w *environment) extract(backbone, weights, data, store string, more ...string) []string {
	args := append([]string{"extract", "--backbone", backbone, "--weights", weights, "--data", data, "--out", store},
		more...)
	if w.threads != runtime.NumCPU() {
		args = append(args, "--workers", strconv.Itoa(w.threads))
	}
	return w.fxCommand(args...)
}

// scratch returns a path for output of a comparison and creates its folder.
func (w *environment) scratch(elem ...string) (string, error) {
	path := filepath.Join(append([]string{w.out, "scratch"}, elem...)...)
	return path, os.MkdirAll(filepath.Dir(path), 0o755)
}

// clear removes what a section wrote to scratch.
func (w *environment) clear(section string) error {
	return os.RemoveAll(filepath.Join(w.out, "scratch", section))
}

// weights returns a file with a network's weights, and whether they are trained. If
// FX_WEIGHTS_DIR has squeezenet1_1's real ones, it uses them; all others are fx's seeded
// ones, which PyTorch loads too.
func (w *environment) weights(ctx context.Context, network string) (path string, trained bool, err error) {
	dir := filepath.Join(w.out, "weights")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	if network == "squeezenet1_1" {
		path = filepath.Join(dir, network+".safetensors")
		err := copyFile(filepath.Join(os.Getenv("FX_WEIGHTS_DIR"), network+".safetensors"), path)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return path, true, err
		}
	}
	path = filepath.Join(dir, network+"-seed0.safetensors")
	return path, false, w.make(path, func(partial string) error {
		_, err := command.Output(ctx, w.fx, "backbones", "save", "--weights", "seed:0", "--out", partial, "--quiet",
			network)
		return err
	})
}

// network returns fx's ONNX file of a network, cut at the features that fx caches.
func (w *environment) network(ctx context.Context, network, weights string) (string, error) {
	base := strings.TrimSuffix(filepath.Base(weights), ".safetensors")
	path := filepath.Join(w.out, "weights", base+"-features.onnx")
	return path, w.make(path, func(partial string) error {
		whole := strings.TrimSuffix(partial, ".onnx") + "-whole.onnx"
		defer func() { _ = os.Remove(whole) }() // an intermediate file
		if _, err := command.Output(ctx, w.fx, "backbones", "save", "--weights", weights, "--out", whole, "--quiet",
			network); err != nil {
			return err
		}
		argv := w.peer("ort_embed.py", "--cut", whole, "--model", partial)
		_, err := command.Output(ctx, argv[0], argv[1:]...)
		return err
	})
}

// make writes a file under a temporary name with the same extension and renames it when
// it is complete.
func (w *environment) make(path string, write func(partial string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	w.log("making %s", path)
	partial := filepath.Join(filepath.Dir(path), "partial-"+filepath.Base(path))
	if err := write(partial); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// lock prevents a second run in the same folder, which would disturb the times.
func (o *options) lock() (release func(), err error) {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, err
	}
	release, err = durable.Lock(filepath.Join(o.out, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fail.Wrap(fail.Locked, err, "Wait for it, or name another --out.", "another run measures in %s",
			o.out)
	}
	return release, err
}

// commit returns the commit that the programs are built from, "" outside of a repository.
func commit(ctx context.Context) string {
	text, err := command.Output(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(text))
	changed, err := command.Output(ctx, "git", "status", "--porcelain", "--untracked-files=no")
	if err == nil && len(changed) > 0 {
		name += " with changes"
	}
	return name
}

// copyFile copies a file, unless to has the same size and is not older.
func copyFile(from, to string) error {
	source, err := os.Stat(from)
	if err != nil {
		return err
	}
	if there, err := os.Stat(to); err == nil && there.Size() == source.Size() &&
		!there.ModTime().Before(source.ModTime()) {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return durable.WriteFile(to, func(out io.Writer) error {
		_, err := io.Copy(out, f)
		return err
	})
}

// count formats a number of photos for tables: 10,000.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// needJSON runs a command and decodes its output.
func needJSON(ctx context.Context, argv []string, into any) error {
	text, err := command.Output(ctx, argv[0], argv[1:]...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s printed no JSON: %w", filepath.Base(argv[0]), err)
	}
	return nil
}
