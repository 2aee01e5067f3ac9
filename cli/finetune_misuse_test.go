package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/checksum"
	"fx/internal/onnx"
	"fx/internal/ort/orttest"
	"fx/internal/testenv"
)

// training are the flags of a training of a second.
func training(data, out string, more ...string) []string {
	return append([]string{
		"finetune", "--backbone", tinyNetwork, "--data", data, "--out", out, "--all-params", "--device", "cpu",
		"--epochs", "2", "--batch-size", "4", "--lr", "0.05",
	}, more...)
}

// with replaces the value of a flag, or adds the flag.
func with(args []string, flag, value string) []string {
	args = slices.Clone(args)
	if i := slices.Index(args, flag); i >= 0 {
		args[i+1] = value
		return args
	}
	return append(args, flag, value)
}

// Ten wrong uses of fx finetune: each names its reason and what to do, has its
// exit code, also in the JSON document, and leaves nothing new behind and nothing
// old broken.
func TestTenWrongUsesOfFinetune(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	noVal, oneClass := twoClasses(filepath.Join(dir, "noval")), twoClasses(filepath.Join(dir, "one"))
	for _, gone := range []string{filepath.Join(noVal, "val"), filepath.Join(oneClass, "train", "red"),
		filepath.Join(oneClass, "val", "red")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	unsupported := unsupportedNetwork(t, dir)
	good, other := filepath.Join(dir, "good"), filepath.Join(dir, "other")
	succeed(t, training(data, good)...)
	succeed(t, with(training(data, other), "--seed", "7")...)
	mixed := filepath.Join(dir, "mixed") // a run that stopped, with the checkpoint of another one
	if err := os.CopyFS(mixed, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	unfinish(t, mixed)
	last := filepath.Join("checkpoint", "last")
	if err := os.RemoveAll(filepath.Join(mixed, last)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(mixed, last), os.DirFS(filepath.Join(other, last))); err != nil {
		t.Fatal(err)
	}

	model, bare := filepath.Join(dir, "model"), filepath.Join(dir, "bare")
	if err := os.CopyFS(bare, os.DirFS(good)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(bare, "run.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(model, os.DirFS(bare)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(model, "checkpoint")); err != nil {
		t.Fatal(err)
	}

	fresh := filepath.Join(dir, "fresh")
	headOnly := slices.DeleteFunc(training(data, fresh), func(a string) bool { return a == "--all-params" })
	const resume = "--resume"
	for _, c := range []struct {
		name string
		args []string
		code int
		says string // on stderr
		hint string // on the line after it
	}{
		{"no val folder", training(noVal, fresh), 2, `noval has no split to evaluate on`,
			"It has the one split train. Make folders train/ and val/"},
		{"one class", training(oneClass, fresh), 2, "only one class", "one folder of photos per class"},
		{"--trainable that matches nothing", append(headOnly, "--trainable", "layer4.*"), 2,
			`the pattern "layer4.*" matches no parameter of tiny`, "Patterns that match: stem.*, depthwise.*,"},
		{"weights of another network", append(with(training(data, fresh), "--backbone", "squeezenet1_1"), "--weights",
			filepath.Join(good, "checkpoint", "best",
				"model.safetensors")), 4, "the weights do not fit squeezenet1_1: 52 missing " +
			"(features.0.weight,", "fx backbones pull squeezenet1_1"},
		{"the checkpoint of another run", append(training(data, mixed), resume), 4, "belongs to another run than " +
			filepath.Join(mixed, "run.json"), "Start the run again with another --out"},
		{"going on with another network", append(with(training(data, good), "--backbone", unsupported), resume), 2,
			"backbone was tiny and is unsupported", "Give the flags that the run began with"},
		{"an unsupported op", with(training(data, fresh), "--backbone", unsupported), 4,
			`node "/squeeze/HardSigmoid" is of op Acosh, which has no gradient rule`, "alone with --head-only"},
		{"a batch larger than the data set", with(training(data, fresh), "--batch-size", "13"), 2,
			"a batch of 13 photos, but only 12 training photos", "--batch-size 12 or less"},
		{"changed settings", append(with(with(training(data, good), "--lr", "0.1"), "--seed", "3"), resume), 2,
			"lr was 0.05 and is 0.1; seed was 0 and is 3", "Give the flags that the run began with"},
		{"a run where a model of another kind is", training(data, model), 2, model + " holds a model", "another --out"},
		{"a run where checkpoints are", training(data, bare), 2, bare + " holds a model", "another --out"},
		{"a run where one is", training(data, good), 2, good + " contains a run already", "--resume"},
		{"a file in the place of the output", training(data, filepath.Join(good, "run.json")), 2, "not a directory",
			"another --out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := content(t, dir)
			a := fx(t, append(c.args, "--json", "--quiet")...)
			checkFailure(t, a, c.code, c.says, c.hint)
			after := content(t, dir)
			if !maps.Equal(before, after) {
				t.Errorf("%d files and folders before, %d after, or others", len(before), len(after))
			}
		})
	}
	succeed(t, "eval", "--model", good, "--data", data, "--device", "cpu")
	again := succeed(t, append(training(data, good), resume, "--json")...)
	if !strings.Contains(again.stderr, "finished already") {
		t.Errorf("going on with the finished run: %s", again.stderr)
	}
}

// checkFailure checks exit code, reason and hint, on stderr and in the JSON document.
func checkFailure(t *testing.T, a answer, code int, says, hint string) {
	t.Helper()
	var document struct {
		Error    string `json:"error"`
		Hint     string `json:"hint"`
		ExitCode int    `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(a.stdout), &document); err != nil {
		t.Errorf("%v in stdout %q", err, a.stdout)
	}
	if a.code != code || document.ExitCode != code {
		t.Errorf("exit code %d, in JSON %d, want %d", a.code, document.ExitCode, code)
	}
	if !strings.Contains(document.Error, says) || !strings.Contains(a.stderr, "fx: error: "+document.Error) {
		t.Errorf("%q is not said:\n%s", says, a.stderr)
	}
	if !strings.Contains(document.Hint, hint) || !strings.Contains(a.stderr, "fx: "+document.Hint) {
		t.Errorf("the hint is not %q:\n%s", hint, a.stderr)
	}
}

// unsupportedNetwork writes the tiny network with an op that has no derivative.
func unsupportedNetwork(t *testing.T, dir string) string {
	t.Helper()
	m, err := onnx.Load(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.Graph.Node {
		if n.OpType == "HardSigmoid" {
			n.OpType, n.Attribute = "Acosh", nil
		}
	}
	onnx.DeleteMetadata(m, "fx.backbone") // the file's name is its own then
	path := filepath.Join(dir, "unsupported.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// unfinish turns a finished RUN into one that stopped after its last epoch.
func unfinish(t *testing.T, run string) {
	t.Helper()
	path := filepath.Join(run, "run.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	delete(record, "result")
	delete(record, checksum.Field)
	record["status"] = "training"
	if text, err = json.Marshal(record); err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A learning rate that diverges ends the run in the step in which the loss is
// no number any more. The checkpoint before it loads, and leads there again.
func TestALearningRateThatDiverges(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, out := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "run")
	// The rate rises from step to step; every one is saved.
	args := training(data, out, "--epochs", "1000", "--warmup-epochs", "1000", "--lr", "1e9", "--checkpoint-steps",
		"1", "--json", "--quiet", "--resume")
	first := fx(t, args...)
	checkFailure(t, first, 8, "the loss is ", "smaller --lr")
	var step, batch, epoch int
	var value string
	_, said, _ := strings.Cut(first.stderr, "the loss is ")
	if _, err := fmt.Sscanf(said, "%s in step %d, batch %d of epoch %d;", &value, &step, &batch,
		&epoch); err != nil || step != 3*(epoch-1)+batch || step < 2 {
		t.Errorf("step %d, batch %d, epoch %d, %v in: %s", step, batch, epoch, err, first.stderr)
	}
	if !strings.Contains(first.stderr, "the checkpoint after ") || !strings.Contains(first.stderr, " is kept") {
		t.Errorf("what stays is not told: %s", first.stderr)
	}
	if _, err := artifacts.ReadCheckpoint(filepath.Join(out, "checkpoint", "last")); err != nil {
		t.Error(err)
	}
	if again := fx(t, args...); again.code != 8 || again.stdout != first.stdout {
		t.Errorf("going on ends with exit code %d:\n%s\nthe first time:\n%s", again.code, again.stdout, first.stdout)
	}
}

// mounted runs a shell script in a mount namespace of its own, in which it may
// mount; exit code 99 says that it could not.
func mounted(t *testing.T, script string, environment ...string) answer {
	t.Helper()
	const probe = "mount -t tmpfs -o size=64k fx /mnt"
	for _, flags := range []string{"-m", "-rm"} { // as root, or as root of a user namespace
		if exec.Command("unshare", flags, "sh", "-c", probe).Run() != nil {
			continue
		}
		c := exec.Command("unshare", flags, "sh", "-c", script)
		c.Env = append(os.Environ(), environment...)
		return run(t, c)
	}
	testenv.Lacks(t, testenv.Namespace,
		"a small disk and a read-only one need root, or user namespaces (unshare -rm): neither is allowed here")
	return answer{}
}

// pages is the room that a file or folder takes on a tmpfs, in bytes.
func pages(t *testing.T, path string) int {
	t.Helper()
	size, page := 0, os.Getpagesize()
	for _, text := range content(t, path) {
		size += (len(text) + page - 1) / page * page
	}
	return size
}

func quoted(args []string) string {
	all := make([]string, len(args))
	for i, a := range args {
		all[i] = "'" + a + "'"
	}
	return strings.Join(all, " ")
}

// A disk that is full when the second epoch is saved: exit code 6, the first
// epoch's checkpoint stays, and with more room it goes on to the same bits.
func TestFinetuneOnAFullDisk(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	undisturbed, kept, disk := filepath.Join(dir, "undisturbed"), filepath.Join(dir, "kept"), filepath.Join(dir, "disk")
	succeed(t, training(data, undisturbed)...)
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	one := pages(t, filepath.Join(undisturbed, "checkpoint", "last"))
	room := 2*one + 2*os.Getpagesize() + one/2 // best, last, run.json, metrics.csv, and half of the next checkpoint
	a := mounted(t, fmt.Sprintf(`mount -t tmpfs -o size=%d fx %s || exit 99
		fx %s; code=$?
		cp -r %s/run %s; exit $code`, room, disk,
		quoted(append(training(data, filepath.Join(disk, "run")), "--json", "--quiet")), disk, kept))
	checkFailure(t, a, 6, "after epoch 2: save the checkpoint",
		"Make room there, or let fx write there, and continue with --resume: the checkpoint after epoch 1 is kept")
	for name := range content(t, kept) {
		if strings.Contains(name, ".fx-tmp-") {
			t.Errorf("left behind: %s", name)
		}
	}
	b := succeed(t, append(training(data, kept), "--resume")...)
	if !strings.Contains(b.stderr, "resuming after epoch 1") {
		t.Errorf("not gone on with: %s", b.stderr)
	}
	sameTraining(t, undisturbed, kept)
}

// An output that may not be written is refused before any work, and left as it is.
func TestFinetuneIntoAReadOnlyFolder(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, disk := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "disk")
	stopped := filepath.Join(disk, "stopped")
	succeed(t, training(data, stopped)...)
	unfinish(t, stopped)
	before := content(t, disk)
	for name, args := range map[string][]string{
		"a new run":       training(data, filepath.Join(disk, "new")),
		"one to go on to": append(training(data, stopped), "--resume"),
	} {
		a := mounted(t, fmt.Sprintf("mount --bind %s %s && mount -o remount,ro,bind %s || exit 99\nfx %s", disk, disk,
			disk, quoted(append(args, "--json", "--quiet"))))
		checkFailure(t, a, 2, "read-only file system", "Choose a place that fx may write with --out")
		if !maps.Equal(before, content(t, disk)) {
			t.Errorf("%s: the folder changed", name)
		}
	}
	succeed(t, append(training(data, stopped), "--resume")...)
}
