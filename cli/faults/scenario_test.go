//go:build linux

package faults

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tinyNetwork trains in a second, see finetune/artifacts/testdata/tiny.py.
const tinyNetwork = "../../finetune/artifacts/testdata/tiny.onnx"

// A scenario is a command of fx and what is there before it runs. Commands run
// in a folder of their own, which holds photos/, tiny.onnx and little.yaml.
type scenario struct {
	name    string
	before  []string // commands, their arguments separated by blanks
	command string
	again   string // finishes what command left unfinished; "": command itself

	weights  bool // FX_WEIGHTS_DIR is the folder weights
	readOnly bool // it writes no file
}

var scenarios = []scenario{
	{
		name:    "extract",
		command: "extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
	},
	{
		name:    "extract more",
		before:  []string{"extract --backbone tiny.onnx --data photos/train --out store --workers 1 --device cpu"},
		command: "extract --backbone tiny.onnx --data photos --out store --force --workers 1 --device cpu",
	},
	{
		name: "extract plan",
		command: "extract --backbone tiny.onnx --data photos --out store --plan parts.jsonl --part-photos 7 " +
			"--workers 1 --device cpu",
	},
	{
		name: "extract part",
		before: []string{"extract --backbone tiny.onnx --data photos --out store --plan parts.jsonl --part-photos 7 " +
			"--workers 1 --device cpu"},
		command: "extract --backbone tiny.onnx --data photos --out store --parts parts.jsonl --part 1 --workers 1 " +
			"--device cpu",
	},
	{
		name: "extract parts taken in",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --plan parts.jsonl --part-photos 9 " +
				"--workers 1 --device cpu",
			"extract --backbone tiny.onnx --data photos --out store --parts parts.jsonl --part 1 " +
				"--workers 1 --device cpu",
		},
		command: "extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
	},
	{
		name: "fit-head",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
			"fit-head --features store --out model --solver lbfgs --l2 1",
		},
		command: "fit-head --features store --out model --solver lbfgs --l2 0.01",
	},
	{
		name: "finetune",
		command: "finetune --backbone tiny.onnx --data photos --all-params --epochs 2 --out run --workers 1 --device " +
			"cpu",
		again: "finetune --backbone tiny.onnx --data photos --all-params --epochs 2 --out run --workers 1 --device " +
			"cpu --resume",
	},
	{
		name: "export",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
			"fit-head --features store --out model --solver lbfgs --l2 1",
			"export --model model --out net.onnx",
			"fit-head --features store --out model --solver lbfgs --l2 0.01",
		},
		command: "export --model model --out net.onnx",
	},
	{
		name: "features export",
		before: []string{
			"extract --backbone tiny.onnx --data photos/train --out old --workers 1 --device cpu",
			"features export old --format npy --out table",
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
		},
		command: "features export store --format npy --out table",
	},
	{
		name:    "quickstart",
		before:  []string{"quickstart photos/train --out quick --backbone tiny.onnx --workers 1 --device cpu"},
		command: "quickstart photos --out quick --force --backbone tiny.onnx --workers 1 --device cpu",
	},
	{
		name: "report",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
			"fit-head --features store --out a --solver lbfgs --l2 1",
			"report a --out page.html",
			"fit-head --features store --out b --solver lbfgs --l2 0.01",
		},
		command: "report a b --out page.html",
	},
	{
		name:   "experiment run",
		before: []string{"backbones save squeezenet1_1 --weights seed:0 --out weights/squeezenet1_1.safetensors"},
		command: "experiment run little.yaml --out matrix --weights-if-missing seed:1 --no-report --workers 1 " +
			"--device cpu",
		weights: true,
	},
	{
		name: "eval",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
			"fit-head --features store --out model --solver lbfgs --l2 1",
		},
		command:  "eval --model model --data photos --workers 1 --device cpu",
		readOnly: true,
	},
	{
		name: "predict",
		before: []string{
			"extract --backbone tiny.onnx --data photos --out store --workers 1 --device cpu",
			"fit-head --features store --out model --solver lbfgs --l2 1",
		},
		command:  "predict --model model photos/val --workers 1 --device cpu",
		readOnly: true,
	},
}

// littleMatrix is the experiment little.yaml.
const littleMatrix = `
format: 1
name: little
title: A little matrix
data: photos
backbones: [squeezenet1_1]
modes: [feature-extraction]
seeds: [4]
settings: {epochs: 1, batch-size: 4, resize: 48, crop: 48, views: 0}
`

// prepare fills dir with the scenario's inputs and with what is there before its command.
func (s scenario) prepare(t *testing.T, dir string) {
	t.Helper()
	for split, count := range map[string]int{"train": 5, "val": 3} {
		for class, tint := range map[string]color.RGBA{"blue": {20, 30, 200, 255}, "red": {200, 30, 20, 255}} {
			for n := range count {
				drawPhoto(t, filepath.Join(dir, "photos", split, class, fmt.Sprintf("%d.png", n)), tint,
					len(split)*10+n)
			}
		}
	}
	network, err := os.ReadFile(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tiny.onnx"), network, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "little.yaml"), []byte(littleMatrix), 0o644); err != nil {
		t.Fatal(err)
	}
	if s.weights {
		weights := filepath.Join(dir, "weights")
		if err := os.Mkdir(weights, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FX_WEIGHTS_DIR", weights)
	}
	for _, command := range s.before {
		if code, said := fx(dir, nil, command); code != 0 {
			t.Fatalf("fx %s: exit code %d\n%s", command, code, said)
		}
	}
}

func drawPhoto(t *testing.T, path string, tint color.RGBA, shade int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	picture := image.NewRGBA(image.Rect(0, 0, 40, 40))
	for i := range 40 * 40 {
		c := tint
		c.G += uint8((i*shade)%97 + shade)
		picture.SetRGBA(i%40, i/40, c)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, picture); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// fx runs fx in dir, behind the words of prefix, and returns its exit code (-1
// after a signal) and what it said.
func fx(dir string, prefix []string, command string) (code int, said string) {
	code, stdout, stderr := fxApart(dir, prefix, command)
	return code, stdout + stderr
}

// fxApart is fx with standard output and standard error apart.
func fxApart(dir string, prefix []string, command string) (code int, stdout, stderr string) {
	words := append(append([]string{}, prefix...), append([]string{"fx"}, strings.Fields(command)...)...)
	c := exec.Command(words[0], words[1:]...)
	c.Dir = dir
	var out, errors strings.Builder
	c.Stdout, c.Stderr = &out, &errors
	if err := start(c); err != nil {
		return -1, "", err.Error()
	}
	return c.ProcessState.ExitCode(), out.String(), errors.String()
}
