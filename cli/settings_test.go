package cli

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
	settings "fx/internal/training"
)

// settingsFiles are a copy of what an fx wrote before internal/training described the settings, see
// testdata/settings/make.sh, beside the network that they are of.
func settingsFiles(t *testing.T) string {
	t.Helper()
	orttest.Library(t)
	dir := filepath.Join(t.TempDir(), "settings")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "settings"))); err != nil {
		t.Fatal(err)
	}
	network, err := os.ReadFile(tinyNetwork)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "tiny.onnx"), network, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// fxFrom runs fx in a folder.
func fxFrom(t *testing.T, dir string, args ...string) answer {
	t.Helper()
	c := exec.Command("fx", args...)
	c.Dir = dir
	return run(t, c)
}

// fxIn is fxFrom for a command that must not fail.
func fxIn(t *testing.T, dir string, args ...string) answer {
	t.Helper()
	a := fxFrom(t, dir, args...)
	if a.code != 0 {
		t.Fatalf("fx %s: exit code %d\n%s", strings.Join(args, " "), a.code, a.stderr)
	}
	return a
}

// Runs of an experiment of before keep their keys: none is to do, in any mode and with settings far from the defaults.
func TestKeysOfExperimentsStay(t *testing.T) {
	dir := settingsFiles(t)
	for _, c := range []struct{ file, out, set string }{
		{"ways.yaml", "ways", "lr=0.01"}, // which it is
		{"decays.yaml", "decay-given", "weight-decay=0.05"},
	} {
		var plan struct {
			Runs []struct{ Name, Status, Key string }
		}
		a := fxIn(t, dir, "experiment", "plan", c.file, "--out", c.out, "--set", c.set,
			"--decoder", "go", "--device", "cpu", "--json")
		if err := json.Unmarshal([]byte(a.stdout), &plan); err != nil || len(plan.Runs) == 0 {
			t.Fatalf("%v\n%s", err, a.stdout)
		}
		for _, r := range plan.Runs {
			if r.Status != "finished" {
				t.Errorf("%s: %s is %s, with the key %s", c.out, r.Name, r.Status, r.Key)
			}
		}
	}
}

// AdamW without a weight decay of its own has torch's, 0.01, in an experiment as on the command line. Runs of an
// older fx, which had none, are others and stay.
func TestAdamWHasTorchsDecayEverywhere(t *testing.T) {
	dir := settingsFiles(t)
	before, err := filepath.Glob(filepath.Join(dir, "decays", "runs", "*"))
	if err != nil || len(before) != 1 {
		t.Fatalf("%v, %v", before, err)
	}
	again := []string{
		"experiment", "run", "decays.yaml", "--out", "decays", "--no-report", "--decoder", "go", "--device", "cpu",
		"--quiet",
	}
	a := fxIn(t, dir, again...)
	if listed := "stay beside these: runs/" + filepath.Base(before[0]) + "\n"; !strings.Contains(a.stdout, listed) {
		t.Errorf("the run of before is not listed:\n%s", a.stdout)
	}
	after, _ := filepath.Glob(filepath.Join(dir, "decays", "runs", "*"))
	if len(after) != 2 {
		t.Fatalf("the runs are %v", after)
	}
	decays := map[float64]bool{}
	for _, run := range after {
		s := settingsOf(t, run)
		decays[s["weight-decay"].(float64)] = true
		if s["momentum"] != 0.0 {
			t.Errorf("%s: momentum %v", run, s["momentum"])
		}
	}
	if !decays[0] || !decays[0.01] {
		t.Errorf("the decays are %v", decays)
	}
	fxIn(t, dir, "report", before[0], after[0], after[1], "--out", "page.html", "--quiet")
	fxIn(t, dir, append(again, "--set", "weight-decay=0.01")...)
	if runs, _ := filepath.Glob(filepath.Join(dir, "decays", "runs", "*")); len(runs) != 2 {
		t.Errorf("the default, given: %v", runs)
	}
}

// RUNs of before go on with the same flags and to the same settings, and are refused with others.
func TestRunsOfBeforeGoOn(t *testing.T) {
	dir := settingsFiles(t)
	flags := map[string]string{
		"sgd": "--trainable head.* --lr 0.05 --nesterov --weight-decay 0.01 --schedule cosine --warmup-epochs 1 " +
			"--accumulate 2 --label-smoothing 0.1 --class-weights auto --clip-grad-norm 1 --ema 0.5 " +
			"--head-lr-multiplier 2 --frozen-bn --seed 3 --exif apply",
		"adamw": "--all-params --optimizer adamw --schedule step",
	}
	for run, own := range flags {
		before := settingsOf(t, filepath.Join(dir, run))
		args := append([]string{
			"finetune", "--backbone", "tiny.onnx", "--data", "photos", "--out", run,
			"--epochs", "40", "--batch-size", "4", "--decoder", "go", "--device", "cpu", "--resume", "--quiet",
		}, strings.Fields(own)...)
		other := fxFrom(t, dir, with(args, "--label-smoothing", "0.25")...)
		if strings.Contains(other.stderr, "ONNX Runtime was") {
			t.Skip("another ONNX Runtime than that of the fixtures")
		}
		if other.code != int(fail.Usage) || !strings.Contains(other.stderr, "label-smoothing was") {
			t.Errorf("%s with another setting: exit code %d\n%s", run, other.code, other.stderr)
		}
		a := fxIn(t, dir, args...)
		if !strings.Contains(a.stdout, "of 40; ") {
			t.Errorf("%s: %s", run, a.stdout)
		}
		after := settingsOf(t, filepath.Join(dir, run))
		for name, value := range before {
			if !reflect.DeepEqual(after[name], value) {
				t.Errorf("%s: %s was %v and is %v", run, name, value, after[name])
			}
		}
	}
}

// settingsOf are the settings of a run.json.
func settingsOf(t *testing.T, run string) map[string]any {
	t.Helper()
	var record struct{ Settings map[string]any }
	text, err := os.ReadFile(filepath.Join(run, "run.json"))
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	return record.Settings
}

// Class weights that an older fx stored as numbers are the setting "auto": seeds alone part no groups.
func TestClassWeightsAreTheSetting(t *testing.T) {
	dir := settingsFiles(t)
	a := fxIn(t, dir, "compare", "balanced0", "balanced1")
	if strings.Contains(a.stdout, "class-weights") {
		t.Errorf("two models that differ by their seed:\n%s", a.stdout)
	}
	fxIn(t, dir, "fit-head", "--features", "store", "--out", "now", "--val-fraction", "0.3",
		"--class-weights", "auto", "--epochs", "3", "--quiet")
	if a := fxIn(t, dir, "compare", "balanced0", "now"); strings.Contains(a.stdout, "class-weights") {
		t.Errorf("the same training then and now:\n%s", a.stdout)
	}
	fxIn(t, dir, "fit-head", "--features", "store", "--out", "plain", "--val-fraction", "0.3", "--epochs", "3",
		"--quiet")
	if a := fxIn(t, dir, "compare", "balanced0", "plain"); !strings.Contains(a.stdout, "class-weights") {
		t.Errorf("with and without class weights:\n%s", a.stdout)
	}
	fxIn(t, dir, "compare", "lbfgs", "plain")
}

// Every setting is a flag of the commands whose training reads it, and reading the flags gives what was given.
func TestEverySettingIsAFlag(t *testing.T) {
	for command, c := range map[string]struct {
		by   settings.UsedBy
		args []string // beside the flag
	}{
		"finetune": {settings.Network, []string{"--backbone", "b", "--data", "d", "--out", "o"}},
		"fit-head": {settings.Head, []string{"--features", "f", "--out", "o"}},
	} {
		for _, f := range settings.Fields(c.by) {
			want := settings.Defaults()
			args := append([]string{"fx", command}, c.args...)
			switch v := f.Of(&want).(type) {
			case *int:
				*v, args = 9, append(args, "--"+f.Name, "9")
			case *uint64:
				*v, args = 9, append(args, "--"+f.Name, "9")
			case *float64:
				*v, args = 0.25, append(args, "--"+f.Name, "0.25")
			case **float64:
				given := 0.0 // which is not unset
				*v, args = &given, append(args, "--"+f.Name, "0")
			case *bool:
				*v, args = true, append(args, "--"+f.Name)
			case *[]string:
				*v, args = []string{"fc.*", "layer4.*"}, append(args, "--"+f.Name, "fc.*, layer4.*")
			case *string:
				if *v = "other"; len(f.Choices) > 0 {
					*v = f.Choices[1]
				}
				args = append(args, "--"+f.Name, *v)
			}
			app := newApp(newOutput(io.Discard, io.Discard))
			app.Command(command).Action = func(ctx *urfave.Context) error {
				if got := readSettings(ctx, settings.Fields(c.by)); !reflect.DeepEqual(got, want) {
					t.Errorf("%v: %+v", args, got)
				}
				return nil
			}
			if err := app.Run(args); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
}
