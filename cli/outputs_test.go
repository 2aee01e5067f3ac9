package cli

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/ort/orttest"
	"fx/internal/outpath"
)

// writer is a command that writes where --out tells it.
type writer struct {
	args   []string // without --out
	folder bool     // --out is a folder
	ending string   // of a file
	again  []string // what a second run needs besides
}

// writers are all such commands, each on the tiny network; the names are those of
// newApp. dir holds photos/, store/, model/ and little.yaml, see outputsDir.
func writers(dir string) map[string]writer {
	in := func(name string) string { return filepath.Join(dir, name) }
	cpu := func(args ...string) []string { return append(args, "--device", "cpu") }
	train := cpu("finetune", "--backbone", tinyNetwork, "--data", in("photos"), "--all-params", "--epochs", "1",
		"--batch-size", "4")
	generate := []string{"artifacts", "generate", "--backbone", tinyNetwork, "--classes", "2"}
	test := []string{"lr-find", "--features", in("store"), "--steps", "20", "--repeats", "1"}
	save := []string{"backbones", "save", "squeezenet1_1", "--weights", "seed:1"}
	return map[string]writer{
		"fx extract": {args: cpu("extract", "--backbone", tinyNetwork, "--data", in("photos")),
			folder: true},
		"fx fit-head":           {args: []string{"fit-head", "--features", in("store"), "--epochs", "2"}, folder: true},
		"fx finetune":           {args: train, folder: true, again: []string{"--resume"}},
		"fx artifacts generate": {args: generate, folder: true},
		"fx experiment run":     {args: cpu("experiment", "run", in("little.yaml")), folder: true},
		"fx quickstart":         {args: cpu("quickstart", in("photos"), "--backbone", tinyNetwork), folder: true},
		"fx demo":               {args: cpu("demo", "--data", in("photos"), "--backbone", tinyNetwork), folder: true},
		"fx export":             {args: []string{"export", "--model", in("model")}, ending: ".onnx"},
		"fx report":             {args: cpu("report", in("model")), ending: ".html"},
		"fx lr-find":            {args: test, ending: ".png"},
		"fx backbones save":     {args: save, ending: ".safetensors"},
		"fx features export":    {args: []string{"features", "export", in("store"), "--format", "csv"}, ending: ".csv"},
		// Its second kind of output.
		"fx features export npy": {args: []string{"features", "export", in("store"), "--format", "npy"}, folder: true},
	}
}

// outputsDir makes what writers read.
func outputsDir(t *testing.T) string {
	t.Helper()
	orttest.Library(t)
	dir := t.TempDir()
	twoClasses(filepath.Join(dir, "photos"))
	network, err := filepath.Abs(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	little := "format: 1\nname: little\ntitle: A little matrix\ndata: photos\n" +
		"backbones: [{name: squeezenet1_1, weights: \"seed:0\"}]\n" +
		"modes: [feature-extraction]\nseeds: [4]\nsettings: {epochs: 1, batch-size: 4, resize: 48, crop: 48, views: " +
		"0}\n"
	if err := os.WriteFile(filepath.Join(dir, "little.yaml"), []byte(little), 0o600); err != nil {
		t.Fatal(err)
	}
	photos, store := filepath.Join(dir, "photos"), filepath.Join(dir, "store")
	succeed(t, "extract", "--backbone", network, "--data", photos, "--out", store, "--device", "cpu")
	succeed(t, "fit-head", "--features", store, "--out", filepath.Join(dir, "model"), "--epochs", "2")
	return dir
}

// TestEveryOutputIsGuarded finds commands that write to --out and are not in
// writers, or have no --force.
func TestEveryOutputIsGuarded(t *testing.T) {
	var found []string
	var walk func(commands []*urfave.Command, parent string)
	walk = func(commands []*urfave.Command, parent string) {
		for _, c := range commands {
			walk(c.Subcommands, parent+" "+c.Name)
			flags := map[string]bool{}
			for _, f := range c.Flags {
				flags[f.Names()[0]] = true
			}
			if name := parent + " " + c.Name; flags["out"] && name != "fx experiment plan" { // which writes nothing
				found = append(found, name)
				if !flags["force"] {
					t.Errorf("%s has --out and no --force", name)
				}
			}
		}
	}
	walk(newApp(&output{}).Commands, "fx")
	known := writers("")
	delete(known, "fx features export npy")
	if want := slices.Sorted(maps.Keys(known)); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
		t.Errorf("commands with --out: %q; in writers: %q", found, want)
	}
}

// inside runs fx in this process, for commands that end before any work.
func inside(args ...string) answer {
	var stdout, stderr strings.Builder
	code := Run(context.Background(), append([]string{"fx"}, args...), &stdout, &stderr)
	return answer{code, stdout.String(), stderr.String()}
}

// No command writes where another's work, or somebody's own, lies.
func TestNoCommandWritesOverWhatIsNotItsOwn(t *testing.T) {
	dir := outputsDir(t)
	all := writers(dir)
	in := func(name string) string { return filepath.Join(dir, name) }
	succeed(t, append(all["fx finetune"].args, "--out", in("run"))...)
	succeed(t, append(all["fx artifacts generate"].args, "--out", in("artifacts"))...)
	succeed(t, append(all["fx quickstart"].args, "--out", in("quick"))...)
	succeed(t, append(all["fx demo"].args, "--out", in("demo"))...)
	succeed(t, append(all["fx experiment run"].args, "--out", in("experiment"), "--no-report")...)
	succeed(t, append(all["fx features export npy"].args, "--out", in("npy"))...)
	for name, text := range map[string]string{
		"thesis/thesis.tex": `\documentclass{article}`, "notes.txt": "remember",
		"web/manifest.json": `{"name": "An app"}`, "web/model.json": `{"format": "layers-model"}`,
		"web/run.json":        `{"steps": []}`,
		"web/experiment.json": `{}`, "web/artifacts.json": `{}`, "web/summary.json": `{}`, "web/rows.json": `[]`,
	} {
		if err := os.MkdirAll(filepath.Dir(in(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := map[string]string{
		"fx extract": "store", "fx fit-head": "model", "fx finetune": "run", "fx artifacts generate": "artifacts",
		"fx experiment run": "experiment", "fx quickstart": "quick", "fx demo": "demo", "fx features export npy": "npy",
	}
	folders := []string{
		"photos", "photos/train/red", "store", "model", "run", "artifacts", "experiment", "quick", "demo", "npy",
		"thesis", "web",
	}
	files := []string{
		"notes.txt", "photos/train/red/0.jpg", "model/head.safetensors", "model/metrics.csv",
		"run/checkpoint/best/model.safetensors", "run/network.onnx", "run/run.json",
		"artifacts/step_model.onnx", "experiment/results.csv", "store/shard-00000.arrow",
	}
	before := content(t, dir)
	refused := func(command string, out string) {
		t.Helper()
		a := inside(append(slices.Clone(all[command].args), "--out", in(out), "--json")...)
		if a.code != 2 {
			t.Errorf("%s --out %s: exit code %d\n%s", command, out, a.code, a.stderr)
		}
		if !strings.Contains(a.stderr, "--out") && !strings.Contains(a.stderr, "End the name of the file") {
			t.Errorf("%s --out %s says %s", command, out, a.stderr)
		}
	}
	count := 0
	for command, w := range all {
		places := folders
		if !w.folder {
			places = files
		}
		for _, out := range places {
			if out != own[command] {
				refused(command, out)
				count++
			}
		}
		for _, out := range []string{"photos/train/red/new", "photos/train/new", "photos/new"} {
			refused(command, out+w.ending)
			count++
		}
	}
	t.Logf("%d refusals", count)
	after := content(t, dir)
	for name, text := range before {
		if now, there := after[name]; !there || now != text {
			t.Errorf("%s is no longer what it was", name)
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			t.Errorf("%s was made", name)
		}
	}
}

// --force writes there all the same, and leaves alone what has other names.
func TestForce(t *testing.T) {
	dir := outputsDir(t)
	for command, w := range writers(dir) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out"+w.ending)
			kept := out
			if w.folder {
				kept = filepath.Join(out, "thesis.tex")
			}
			if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(slices.Clone(w.args), "--out", out)
			if a := fx(t, args...); a.code != 2 || !strings.Contains(a.stderr, "--force") {
				t.Errorf("without --force: exit code %d\n%s", a.code, a.stderr)
			}
			if text, err := os.ReadFile(kept); err != nil || string(text) != "mine" {
				t.Errorf("it holds %.20q, %v", text, err)
			}
			succeed(t, append(args, "--force")...)
			if text, err := os.ReadFile(kept); w.folder && (err != nil || string(text) != "mine") {
				t.Errorf("with --force thesis.tex holds %.20q, %v", text, err)
			} else if !w.folder && (err != nil || string(text) == "mine") {
				t.Errorf("with --force the file is not replaced: %v", err)
			}
			succeed(t, append(args, w.again...)...) // what it made is its own now
		})
	}
}

// A kill before the format file, which is written last, leaves what the command takes
// up the next time: package outpath knows all the names that commands write.
func TestAFolderWithoutItsFormatFileIsTakenUp(t *testing.T) {
	dir := outputsDir(t)
	all := writers(dir)
	for command, c := range map[string]struct {
		kind   *outpath.Folder
		format string // "" for a kind without one
	}{
		"fx extract":            {outpath.Store, "manifest.json"},
		"fx fit-head":           {outpath.Model, "model.json"},
		"fx artifacts generate": {outpath.Artifacts, "artifacts.json"},
		"fx quickstart":         {outpath.Quickstart, "summary.json"},
		"fx demo":               {outpath.Demo, ""},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			succeed(t, append(slices.Clone(all[command].args), "--out", out)...)
			if c.format != "" {
				if err := os.Remove(filepath.Join(out, c.format)); err != nil {
					t.Fatal(err)
				}
			}
			if err := outpath.Prepare(false, outpath.Target{Kind: c.kind, Path: out}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A report makes RUN/report-features anew where they are of an earlier training,
// and leaves alone what somebody else keeps there.
func TestAReportRemovesNoFolderOfOthers(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, run := twoClasses(filepath.Join(dir, "photos")), filepath.Join(dir, "run")
	succeed(t, training(data, run)...)
	mine := filepath.Join(run, "report-features", "mine.txt")
	if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := succeed(t, "report", run, "--device", "cpu")
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("mine.txt: %q, %v", text, err)
	}
	if !strings.Contains(a.stderr, "report-features is not an embedding store") {
		t.Errorf("it says %s", a.stderr)
	}
}
