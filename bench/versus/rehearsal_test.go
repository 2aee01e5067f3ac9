package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
)

// stubFX does what the benchmark asks fx for, without a network.
const stubFX = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
command=$1 out= data= store= model=
while [ $# -gt 0 ]; do
	case $1 in --out) out=$2;; --data) data=$2;; --features) store=$2;; esac
	last=$1; shift
done
case $command in
extract)
	n=$(find "$data/" -type f | wc -l)
	if [ -e "$out/full" ]; then computed=0; else computed=$n; fi
	mkdir -p "$out"; touch "$out/full"
	echo "{\"images\": $n, \"computed\": $computed, \"cached\": $((n - computed)), \"images_per_second\": 80}";;
fit-head) mkdir -p "$out"; echo '{"classes": ["ants", "bees"]}' > "$out/model.json"; echo '{"best_val_accuracy": 0.95}';;
backbones) [ -z "$out" ] || echo weights > "$out";;
runtime) echo '{"library": {"version": "1.31.1"}}';;
predict) echo '[{"path": "x", "top": [{"class": "bees", "probability": 0.75}]}]';;
esac
`

// stubPython does what the peers' scripts do.
const stubPython = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
script=$(basename "$1") out= data= model= sweep=
for argument in "$@"; do
	case $previous in --data) data=$argument;; --cut) model=$argument;; esac
	if [ "$previous" = --model ] && [ -n "$model" ]; then echo onnx > "$argument"; fi
	if [ "$argument" = --sweep ]; then sweep=yes; fi
	previous=$argument
done
if [ "$script" = ort_embed.py ] && [ -n "$model" ]; then
	while [ $# -gt 0 ]; do if [ "$1" = --model ]; then echo onnx > "$2"; fi; shift; done
	exit
fi
case $script in
versions.py) echo '{"torch": "2.15.0"}';;
limits.py) echo '{"flops": 1e9, "gemm_flops_per_second": 1e11, "decode_seconds": 0.002, "forward_seconds": 0.011}';;
agreement.py) echo '{"worst": DISTANCE, "median": 0, "photos": 4}';;
torch_tutorial.py) echo '{"best_val_accuracy": 0.94}';;
sklearn_fit.py) echo '{"seconds": 1.5, "iterations": 12, "evaluations": 15, "objective": 0.25}';;
export.py) while [ $# -gt 0 ]; do if [ "$1" = --out ]; then echo onnx > "$2"; fi; shift; done;;
torch_step.py) echo '{"milliseconds": [9, 20, 10], "losses": [1], "versions": {"torch": "2.15.0"}, "note": ""}';;
ort_training.py) echo '{"milliseconds": [40], "losses": [1], "versions": {"onnxruntime-training-cpu": "1.19.2"}, "note": "SGD without momentum"}';;
onnxsim_loop.py) echo "UnsupportedOpError: no" >&2; exit 1;;
torch_sgd.py) echo '{"seconds": 1.0, "iterations": 5}';;
decode_peers.py) echo '{"images_per_second": {"decode": 200, "resize": 500, "both": 180, "fast_decode": 300, "fast_both": 250}}';;
torch_predict.py) echo '[{"path": "x", "top": [{"class": "bees", "probability": 0.7502}]}]';;
*_embed.py)
	if [ -n "$sweep" ]; then
		echo '{"settings": [{"workers": 0, "batch_size": 8, "threads": 1, "images_per_second": 30}, {"workers": 2, "batch_size": 32, "threads": 1, "images_per_second": 40}]}'
	else
		echo "{\"images\": $(find "$data/" -type f | wc -l), \"images_per_second\": 40}"
	fi;;
esac
`

// The programs that are built from this repository, for a run of every section.
const (
	stubForward = `#!/bin/sh
for argument in "$@"; do if [ "$argument" = --profile ]; then echo "## by operator"; exit; fi; done
echo '{"milliseconds_a_photo": [7, 8, 12]}'
`
	stubHeadfit = `#!/bin/sh
if [ "$1" = make ]; then for last in "$@"; do :; done; mkdir -p "$last"; else echo '{"seconds": 0.5, "iterations": 12, "objective": 0.25}'; fi
`
	stubTrainstep = `#!/bin/sh
if [ "$1" = profile ]; then echo "## by operator of a step"; else echo '{"milliseconds": [4, 5, 6], "losses": [1], "versions": {"Go": "1.26"}}'; fi
`
	stubDecode = `#!/bin/sh
echo '{"images_per_second": {"decode": 400, "resize": 5000, "both": 380, "fast_decode": null, "fast_both": null}}'
`
)

// emptyPage is a page with a place for each section.
func emptyPage() string {
	text := "# By hand\n"
	for _, s := range sections {
		text += "\n<!-- " + s.name + " -->\nold\n<!-- /" + s.name + " -->\n\nWords.\n"
	}
	return text
}

// stage makes stubs and four photos, and returns the options of a run with them.
func stage(t *testing.T, distance string) options {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("needs a shell")
	}
	t.Setenv("FX_WEIGHTS_DIR", "")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"train/ants/a.jpg", "train/bees/b.jpg", "val/ants/c.jpg", "val/bees/d.JPG"} {
		write("data/"+name, photo.String())
	}
	return options{
		data: filepath.Join(dir, "data"), out: filepath.Join(dir, "out"), cache: filepath.Join(dir,
			"cache"), scripts: "peers",
		page: write("docs/page.md", emptyPage()),
		fx:   write("stubs/fx", stubFX), python: write("stubs/python",
			strings.Replace(stubPython, "DISTANCE", distance, 1)),
		programs: map[string]string{"forward": write("stubs/forward", stubForward),
			"headfit": write("stubs/headfit", stubHeadfit), "decode": write("stubs/decode", stubDecode),
			"trainstep": write("stubs/trainstep", stubTrainstep)},
		rounds: 2, roundsLarge: 1, seeds: 2, threads: 1, epochs: 15, again: touched, scale: "10",
		timeout: time.Minute,
	}
}

func rehearse(ctx context.Context, t *testing.T, o options) error {
	t.Helper()
	chosen, err := o.sections()
	if err != nil {
		return err
	}
	return measure(ctx, o, chosen, t.Logf)
}

func TestRehearsal(t *testing.T) {
	o := stage(t, "1e-6")
	if err := rehearse(t.Context(), t, o); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(o.page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# By hand\n", "Words.\n",
		"| squeezenet1_1, images a second beside PyTorch | × 2 | × 2.00 | met |",
		"| inception_v3 | 1.00 | 10.0 | 8.00 | 11.0 | 2.00 | 83.3 | 96 % | 1.0e-06 | 1.0e-06 | workers 2, batch 32, " +
			"threads 1 |", "#### by operator",
		"| head of 400 × 512 × 2, L-BFGS, beside scikit-learn | × 1 | × 3.00 | met |",
		"| head of 50,000 × 2,048 × 1,000, L-BFGS, beside scikit-learn | × 1 | × 3.00 | met |",
		"0.9500 ± 0.0000 |", "val accuracy +0.0100 ± 0.0000", "| 100 photos have a new time | fx | 2 " +
			"|", "| fx --help | fx | 30 |", "| fx --help | < 0.03 s |",
		"random (`--weights seed:0`)",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	calls := filepath.Join(filepath.Dir(o.fx), "calls")
	if err := os.Remove(calls); err != nil {
		t.Fatal(err)
	}
	if err := rehearse(t.Context(), t, o); err != nil { // everything is there
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(o.page); !bytes.Equal(again, text) {
		t.Error("a second run writes another page")
	}
	if asked, _ := os.ReadFile(calls); strings.TrimSpace(string(asked)) != "peers/versions.py\nruntime doctor --json" {
		t.Errorf("a second run asked for\n%s", asked)
	}
	if err := os.WriteFile(o.page, []byte(emptyPage()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"write", "--out", o.out, "--page", o.page}, io.Discard,
		new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(o.page); !bytes.Equal(again, text) {
		t.Error("write writes another page")
	}
}

// A training step is measured apart, without photos; a peer that can't take a network says why.
func TestTrainRehearsal(t *testing.T) {
	o := stage(t, "0")
	o.only, o.networks, o.data = "train", "resnet18,inception_v3", ""
	o.peers = map[string]string{"onnxruntime-training": o.python, "onnxsim": o.python}
	err := rehearse(t.Context(), t, o)
	if err == nil || !strings.Contains(err.Error(), "train resnet18, onnxsim: UnsupportedOpError: no") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(o.page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 5.00 (5.00–5.00) |  |", "| 10.0 (10.0–10.0) | × 2.00 (2.00–2.00) |", "| 40.0 (40.0–40.0) | × 8.00 " +
			"(8.00–8.00) |",
		"- onnxruntime-training: onnxruntime-training-cpu 1.19.2, SGD without momentum", "- resnet18, onnxsim: " +
			"UnsupportedOpError: no", "### by operator of a step",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "inception_v3") {
		t.Error("a network of another section was measured")
	}
}

// Sides that compute different things are not timed.
func TestDisagreementVoids(t *testing.T) {
	o := stage(t, "3e-4")
	o.only = "embeddings"
	err := rehearse(t.Context(), t, o)
	if err == nil || !strings.Contains(err.Error(),
		"the embeddings of fx and torch lie 3.0e-04 apart, more than 1e-04") {
		t.Errorf("%v", err)
	}
	all, err := readOutcomes(o.raw(), "embeddings")
	if err != nil || len(all) != len(families) {
		t.Fatalf("%d outcomes, %v", len(all), err)
	}
	for _, outcome := range all {
		for _, s := range outcome.Sides {
			if len(s.Runs) > 0 {
				t.Errorf("%s, %s was timed", outcome.Contest, s.Name)
			}
		}
	}
}

// A section whose program isn't there is said to fail; the others are measured.
func TestAMissingProgram(t *testing.T) {
	o := stage(t, "0")
	o.only, o.rounds, o.programs = "decode,scale", 1, nil
	err := rehearse(t.Context(), t, o)
	if err == nil || !strings.Contains(err.Error(), "decode one-core") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(o.page)
	if err != nil || !strings.Contains(string(text), "| 10 | fx | 1 |") ||
		!strings.Contains(string(text), "no package to build") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestWrongOptions(t *testing.T) {
	for want, change := range map[string]func(*options){
		"unknown section":    func(o *options) { o.only = "embedings" },
		"--rounds 0":         func(o *options) { o.rounds = 0 },
		"--again-photos 99":  func(o *options) { o.again = 99 },
		"--scale 1000,x":     func(o *options) { o.scale = "1000,x" },
		"unknown network":    func(o *options) { o.networks = "resnet18,resnet19" },
		"no photos":          func(o *options) { o.data = "" },
		"the peers' scripts": func(o *options) { o.scripts = "nowhere" },
	} {
		o := stage(t, "0")
		change(&o)
		if err := rehearse(t.Context(), t, o); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := run(t.Context(), []string{"wirte"}, io.Discard, new(bytes.Buffer)); fail.KindOf(err) != fail.Usage {
		t.Errorf("unknown command: %v", err)
	}
	if err := run(t.Context(), []string{"write", "--out", t.TempDir(), "--page", stage(t, "0").page}, io.Discard,
		new(bytes.Buffer)); fail.KindOf(err) != fail.Usage {
		t.Errorf("nothing measured: %v", err)
	}
}

func TestTwoRunsInOneFolder(t *testing.T) {
	o := stage(t, "0")
	release, err := o.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := rehearse(t.Context(), t, o); fail.KindOf(err) != fail.Locked {
		t.Errorf("%v", err)
	}
}

func TestPhotoTree(t *testing.T) {
	o := stage(t, "0")
	to := filepath.Join(t.TempDir(), "photos")
	few, err := copyPhotos(t.Context(), o.data, to, 2, t.Logf)
	if err != nil || strings.Join(few.rel, " ") != "train/ants/a.jpg val/ants/c.jpg" {
		t.Fatalf("%v, %v", few.rel, err)
	}
	all, err := copyPhotos(t.Context(), o.data, to, 0, t.Logf)
	if err != nil || len(all.rel) != 4 || all.sha256 == few.sha256 {
		t.Fatalf("%+v, %v", all, err)
	}
	n := touched + 9
	dir, err := all.grow(t.Context(), n, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			found++
		}
		return err
	})
	if err != nil || found != n {
		t.Errorf("%d photos, %v", found, err)
	}
	before, err := os.Stat(filepath.Join(all.dir, "train/ants/a.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for i := range touched {
		if err := os.Chtimes(filepath.Join(dir, all.name(i)), old, old); err != nil {
			t.Fatal(err)
		}
	}
	changed := 0
	for i := range n {
		info, err := os.Stat(filepath.Join(dir, all.name(i)))
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().Before(before.ModTime().Add(-time.Minute)) {
			changed++
		}
	}
	if after, _ := os.Stat(filepath.Join(all.dir, "train/ants/a.jpg")); changed != touched ||
		!after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%d photos changed their time, and that of the copy went from %v to %v", changed, before.ModTime(),
			after.ModTime())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.grow(ctx, n+1, t.Logf); err == nil {
		t.Error("a stopped copy counts")
	}
	if _, err := os.Stat(filepath.Join(to, fmt.Sprint(n+1))); err == nil {
		t.Error("a part of a tree stands as a whole one")
	}
}
