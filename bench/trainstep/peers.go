package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/bench/internal/command"
	"fx/bench/internal/pyenv"
	"fx/internal/fail"
)

// peer is a way to do a training step. Each measurement is a process of its own.
type peer struct {
	name    string // as in --peers
	title   string
	prepare func(ctx context.Context, network string) error // makes what command needs; nil where there is nothing to make
	command func(network string) []string                   // program and arguments, without those of stepOptions
	profile func(network string) []string                   // likewise; prints where the time goes, nil where it can't say
}

// peerNames in the order of the columns.
var peerNames = []string{"fx", "torch", "torch-contiguous", "onnxruntime-training", "onnxsim"}

// workshop holds the peers' Python environments and the networks exported for
// them.
type workshop struct {
	cache   string // folder for both
	scripts string // folder of peers/*.py
	torch   string // a Python that has torch already, "" to install it
	options stepOptions
	log     func(format string, args ...any)
	ready   map[string]string // the Python of each environment that is ready
}

// peers returns those of these names.
func (w *workshop) peers(names []string) ([]peer, error) {
	if _, err := os.Stat(filepath.Join(w.scripts, "measurement.py")); err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Run it in the root of the repository, or say where the scripts are with --scripts.", "the peers' scripts")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w.ready = map[string]string{}
	script := func(environment, name string, args ...string) []string {
		return append([]string{w.ready[environment], filepath.Join(w.scripts, name)}, args...)
	}
	torch := func(ctx context.Context, _ string) error { return w.environment(ctx, "torch") }
	all := []peer{
		{name: "fx", title: "fx",
			command: func(string) []string { return []string{self, "step"} },
			profile: func(string) []string { return []string{self, "profile", "--nodes", "5"} }},
		{name: "torch", title: "PyTorch, channels_last", prepare: torch,
			command: func(string) []string { return script("torch", "torch_step.py") }},
		{name: "torch-contiguous", title: "PyTorch, contiguous", prepare: torch,
			command: func(string) []string { return script("torch", "torch_step.py", "--contiguous") }},
		{name: "onnxruntime-training", title: "onnxruntime-training", prepare: w.generate,
			command: func(network string) []string {
				return script("onnxruntime-training", "ort_training.py", "--artifacts", w.model(network, "artifacts"))
			}},
		{name: "onnxsim", title: "onnxsim", prepare: w.exportPlain,
			command: func(network string) []string {
				return script("onnxsim", "onnxsim_loop.py", "--model", w.model(network, "plain.onnx"))
			}},
	}
	var chosen []peer
	for _, name := range names {
		found := false
		for _, p := range all {
			if p.name == name {
				chosen, found = append(chosen, p), true
			}
		}
		if !found {
			return nil, fail.New(fail.Usage, "The peers are "+strings.Join(peerNames, ", ")+".", "unknown peer %q", name)
		}
	}
	return chosen, nil
}

// environment makes a virtual environment with the packages of
// requirements-NAME.txt, unless it is there already.
func (w *workshop) environment(ctx context.Context, name string) error {
	if w.ready[name] != "" {
		return nil
	}
	if name == "torch" && w.torch != "" {
		w.ready[name] = w.torch
		return nil
	}
	requirements := filepath.Join(w.scripts, "requirements-"+name+".txt")
	python, err := pyenv.Python(ctx, filepath.Join(w.cache, name), requirements, w.log)
	if err != nil {
		return err
	}
	w.ready[name] = python
	return nil
}

// model is the path of a file that is made from a network for these options.
func (w *workshop) model(network, name string) string {
	o := w.options
	return filepath.Join(w.cache, "networks", fmt.Sprintf("%s-batch%d-classes%d-crop%d-%s", network, o.batch, o.classes, o.crop, name))
}

// export writes a network as ONNX in one of the forms of export.py.
func (w *workshop) export(ctx context.Context, network, form string) (string, error) {
	path := w.model(network, form+".onnx")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := w.environment(ctx, "torch"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	w.log("exporting %s, %s", network, form)
	partial := path + ".partial"
	args := append([]string{filepath.Join(w.scripts, "export.py"), "--form", form, "--out", partial}, w.options.arguments(network)...)
	if err := w.run(ctx, w.ready["torch"], args...); err != nil {
		return "", err
	}
	return path, os.Rename(partial, path)
}

func (w *workshop) exportPlain(ctx context.Context, network string) error {
	if _, err := w.export(ctx, network, "plain"); err != nil {
		return err
	}
	return w.environment(ctx, "onnxsim")
}

// generate makes the training artifacts of onnxruntime-training.
func (w *workshop) generate(ctx context.Context, network string) error {
	exported, err := w.export(ctx, network, "training")
	if err != nil {
		return err
	}
	if err := w.environment(ctx, "onnxruntime-training"); err != nil {
		return err
	}
	dir := w.model(network, "artifacts")
	if _, err := os.Stat(filepath.Join(dir, "optimizer_model.onnx")); err == nil { // which is written last
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{filepath.Join(w.scripts, "ort_training.py"), "--generate", exported, "--artifacts", dir}, w.options.arguments(network)...)
	return w.run(ctx, w.ready["onnxruntime-training"], args...)
}

// run runs a program for what it makes.
func (w *workshop) run(ctx context.Context, program string, args ...string) error {
	_, err := command.Output(ctx, program, args...)
	return err
}
