package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fx/bench/internal/command"
	"fx/bench/internal/pyenv"
	"fx/bench/internal/stats"
)

// trainNetworks are the networks of the section train.
var trainNetworks = []string{"squeezenet1_1", "squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121",
	"mobilenet_v2", "mobilenet_v3_large", "mobilenetv4_conv_small", "efficientnet_b0", "efficientnet_lite0"}

// trainScripts is the folder of the peers' scripts, beside fx's program trainstep.
var trainScripts = filepath.Join("bench", "trainstep", "peers")

var trainSides = []side{
	fxSide, {"torch", "PyTorch, channels_last"}, {"torch-contiguous", "PyTorch, contiguous"},
	{"onnxruntime-training", "onnxruntime-training"}, {"onnxsim", "onnxsim"},
}

// stepMilliseconds returns the median of a turn's steps.
func stepMilliseconds(t turn) (float64, bool) {
	var m struct{ Milliseconds []float64 }
	if len(t.Printed) == 0 || json.Unmarshal(t.Printed[0], &m) != nil || len(m.Milliseconds) == 0 {
		return 0, false
	}
	return stats.Median(m.Milliseconds), true
}

func trainComparisons(w *environment) []comparison {
	var all []comparison
	for _, network := range w.chosen(trainNetworks) {
		all = append(all, comparison{
			section: "train", name: network, title: network, terms: "batch 8, 2 classes",
			sides: trainSides, rounds: w.rounds,
			prepare: func(ctx context.Context, o *outcome) (map[string]job, error) {
				return w.prepareTrain(ctx, network, o)
			},
		})
	}
	return all
}

// prepareTrain builds fx's program and exports the network for the peers that train ONNX files. A peer that can't take
// the network prints the reason in its turn.
func (w *environment) prepareTrain(ctx context.Context, network string, o *outcome) (map[string]job, error) {
	program, err := w.goProgram(ctx, "trainstep", "bench", "trainstep")
	if err != nil {
		return nil, err
	}
	common := []string{"--backbone", network, "--batch-size", "8", "--classes", "2"}
	common = append(common, "--threads", strconv.Itoa(w.threads))
	measured := func(printed []json.RawMessage) error {
		if _, ok := stepMilliseconds(turn{Printed: printed}); !ok {
			return errors.New("printed no measurement")
		}
		return nil
	}
	jobs := map[string]job{"fx": {commands: always(slices.Concat([]string{program, "step"}, common)), check: measured}}
	add := func(side, python, script string, more ...string) {
		jobs[side] = job{commands: always(slices.Concat([]string{python, filepath.Join(trainScripts, script)}, common,
			more)), check: measured}
	}
	add("torch", w.python, "torch_step.py")
	add("torch-contiguous", w.python, "torch_step.py", "--contiguous")
	for _, peer := range []struct {
		side, form, script string
		model              func(python, exported string) ([]string, error) // the arguments that name the model
	}{
		{"onnxruntime-training", "training", "ort_training.py", func(python, exported string) ([]string, error) {
			artifacts := strings.TrimSuffix(exported, ".onnx") + "-artifacts"
			return []string{"--artifacts", artifacts}, w.make(artifacts, func(partial string) error {
				if err := os.MkdirAll(partial, 0o755); err != nil {
					return err
				}
				script := []string{filepath.Join(trainScripts, "ort_training.py"), "--generate", exported,
					"--artifacts", partial}
				_, err := command.Output(ctx, python, append(script, common...)...)
				return err
			})
		}},
		{"onnxsim", "plain", "onnxsim_loop.py", func(_, exported string) ([]string, error) {
			return []string{"--model", exported}, nil
		}},
	} {
		exported := filepath.Join(w.out, "weights", network+"-"+peer.form+".onnx")
		python, err := w.trainPeer(ctx, peer.side, peer.form, exported, common)
		var model []string
		if err == nil {
			model, err = peer.model(python, exported)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if add(peer.side, python, peer.script, model...); err != nil {
			jobs[peer.side] = job{problem: err}
		}
	}
	var profile string
	if o.fact("profile", &profile) {
		return jobs, nil
	}
	text, err := command.Output(ctx, program, append([]string{"profile", "--nodes", "5"}, common...)...)
	if err != nil {
		return nil, err
	}
	return jobs, o.know("profile", string(text))
}

// trainPeer exports a network in one of the forms of export.py and returns the Python of a peer that trains it.
func (w *environment) trainPeer(ctx context.Context, name, form, exported string,
	common []string) (python string, err error) {
	if err := os.MkdirAll(filepath.Dir(exported), 0o755); err != nil {
		return "", err
	}
	err = w.make(exported, func(partial string) error {
		script := []string{filepath.Join(trainScripts, "export.py"), "--form", form, "--out", partial}
		_, err := command.Output(ctx, w.python, append(script, common...)...)
		return err
	})
	if err != nil {
		return "", err
	}
	if w.peers[name] != "" {
		return w.peers[name], nil
	}
	requirements := filepath.Join(trainScripts, "requirements-"+name+".txt")
	return pyenv.Python(ctx, filepath.Join(w.cache, name), requirements, w.log)
}

// trainFacts describes what each side ran, and fx's time by operator.
func trainFacts(all []outcome) string {
	text, profiles := "\n", ""
	for _, s := range all[0].Sides {
		var said struct {
			Versions map[string]string
			Note     string
		}
		if len(s.Runs) == 0 || json.Unmarshal(s.Runs[0].Printed[0], &said) != nil {
			continue
		}
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(said.Versions)) {
			parts = append(parts, name+" "+said.Versions[name])
		}
		if said.Note != "" {
			parts = append(parts, said.Note)
		}
		text += fmt.Sprintf("- %s: %s\n", s.Title, strings.Join(parts, ", "))
	}
	for i := range all {
		var profile string
		if all[i].fact("profile", &profile) {
			profiles += "\n" + strings.Replace(strings.TrimSpace(profile), "## ", "### ", 1) + "\n"
		}
	}
	return text + profiles
}
