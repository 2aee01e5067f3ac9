package cli

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/modeldir"
	"fx/internal/ort/orttest"
)

// TestSplitsOfEveryCommand holds all commands to one choice of splits: each cell is
// "trained on > evaluated on", or the error and its hint.
func TestSplitsOfEveryCommand(t *testing.T) {
	orttest.Library(t)
	network, err := filepath.Abs(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	judge := splitFolder(t, "evaluate", "train", "val")
	splitStore(t, network, judge, "evaluate-store")
	succeed(t, "fit-head", "--features", "evaluate-store", "--out", "evaluate-model", "--solver", "lbfgs")
	for _, l := range []struct {
		name          string
		splits        []string // "" for a folder of classes alone; of 8, 6 and 4 photos
		list          bool     // a .csv list of them in place of folders
		train, val    string   // --train-split and --val-split
		learned       string   // by quickstart, which has no flags, and lr-find, which evaluates nothing
		trained       string   // by fit-head, finetune and both modes of an experiment
		evaluated     string   // by eval, with the MODEL of another data set that was evaluated on val
		ofQuickstart  string
		augmentedRows int // by extract --views 1
	}{
		{name: "flat", splits: []string{""}, learned: "8", ofQuickstart: " > folds",
			trained:   "no split to evaluate on; It has no splits.",
			evaluated: "", augmentedRows: 16},
		{name: "train-val", splits: []string{"train", "val"}, learned: "8", ofQuickstart: "train > val",
			trained: "train > val", evaluated: "val", augmentedRows: 22},
		{name: "train-valid", splits: []string{"train", "valid"}, learned: "8", ofQuickstart: "train > valid",
			trained: "train > valid", evaluated: "valid", augmentedRows: 22},
		{name: "train-test", splits: []string{"train", "test"}, learned: "8", ofQuickstart: "train > test",
			trained: "train > test", evaluated: "test", augmentedRows: 22},
		{name: "train-val-test", splits: []string{"train", "val", "test"}, learned: "8", ofQuickstart: "train > val",
			trained: "train > val", evaluated: "val", augmentedRows: 26},
		{name: "odd-case", splits: []string{"Training", "Validation"}, learned: "8",
			ofQuickstart: "Training > Validation",
			trained:      "Training > Validation", evaluated: "Validation", augmentedRows: 22},
		{name: "list", splits: []string{"train", "valid", "test"}, list: true, learned: "8",
			ofQuickstart: "train > valid",
			trained:      "train > valid", evaluated: "valid", augmentedRows: 26},
		{name: "named", splits: []string{"train", "val", "test"}, train: "val", val: "test", learned: "6",
			ofQuickstart: "train > val", trained: "val > test", evaluated: "test", augmentedRows: 24},
		{name: "only-train", splits: []string{"train"}, learned: "8", ofQuickstart: "train > folds",
			trained: "no split to evaluate on; It has the one split train.", evaluated: "train", augmentedRows: 16},
		{name: "train-extra", splits: []string{"train", "extra"}, learned: "8", ofQuickstart: "train > folds",
			trained:   "no split to evaluate on; It has the splits extra, train.",
			evaluated: "no split to evaluate on; It has the splits extra, train.", augmentedRows: 22},
		{name: "unusual", splits: []string{"a", "b"},
			learned:      "no split to train on; It has the splits a, b.",
			ofQuickstart: "no split to train on; It has the splits a, b.",
			trained:      "no split to train on; It has the splits a, b.",
			evaluated:    "no split to evaluate on; It has the splits a, b."},
		{name: "unknown-train", splits: []string{"train", "val"}, train: "trian",
			learned:      `no split "trian"; It has the splits train, val.`,
			ofQuickstart: "train > val",
			trained:      `no split "trian"; It has the splits train, val.`,
			evaluated:    "val"},
		{name: "unknown-val", splits: []string{"train", "val"}, val: "vla", learned: "8", ofQuickstart: "train > val",
			trained:   `no split "vla"; It has the splits train, val.`,
			evaluated: `no split "vla"; It has the splits train, val.`, augmentedRows: 22},
		{name: "unknown-of-none", splits: []string{""}, train: "train",
			learned:      `no split "train"; It has no splits.`,
			ofQuickstart: " > folds",
			trained:      `no split "train"; It has no splits.`, evaluated: ""},
		{name: "twice", splits: []string{"train", "val"}, val: "train", learned: "8", ofQuickstart: "train > val",
			trained: `the split "train"; Name two splits.`, evaluated: "train", augmentedRows: 22},
	} {
		t.Run(l.name, func(t *testing.T) {
			data, store := splitFolder(t, l.name, l.splits...), l.name+"-store"
			if l.list {
				data = splitList(t, data)
			}
			splitStore(t, network, data, store)
			flags := func(args ...string) []string {
				if l.train != "" {
					args = append(args, "--train-split", l.train)
				}
				if l.val != "" && args[0] != "lr-find" && args[0] != "extract" {
					args = append(args, "--val-split", l.val)
				}
				return args
			}
			check := func(command, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %s, want %s", command, got, want)
				}
			}
			check("quickstart", quickstartSplits(t, network, data, l.name+"-fx"), l.ofQuickstart)

			augmented := l.learned
			if l.augmentedRows > 0 {
				augmented = fmt.Sprint(l.augmentedRows, " rows")
			}
			var extracted struct{ Computed int }
			a := splitAnswer(t, &extracted, flags(extraction(network, data, l.name+"-views", "--views", "1")...)...)
			if a == "" {
				a = fmt.Sprint(extracted.Computed, " rows")
			}
			check("extract --views", a, augmented)

			fitted := l.name + "-model"
			check("fit-head", trainedSplits(t, fitted,
				flags("fit-head", "--features", store, "--out", fitted, "--solver", "lbfgs")...), l.trained)
			run := l.name + "-run"
			check("finetune", trainedSplits(t, run, flags(
				"finetune", "--backbone", network, "--data", data, "--out", run, "--resize", "32", "--crop", "24",
				"--all-params", "--epochs", "1", "--batch-size", "4", "--device", "cpu")...), l.trained)
			for mode, got := range experimentSplits(t, network, data, l.name, l.train, l.val) {
				check("experiment run, "+mode, got, l.trained)
			}

			test := flags("lr-find", "--steps", "20", "--repeats", "1", "--batch-size", "4")
			check("lr-find --features", learnedPhotos(t, append(test, "--features", store)...), l.learned)
			check("lr-find --data", learnedPhotos(t, append(test, "--backbone", network, "--data", data,
				"--resize", "32", "--crop", "24", "--all-params", "--device", "cpu")...), l.learned)

			evaluation := []string{"eval", "--model", "evaluate-model"}
			if l.val != "" {
				evaluation = append(evaluation, "--split", l.val)
			}
			check("eval --features", evaluatedSplit(t, append(evaluation, "--features", store)...), l.evaluated)
			check("eval --data", evaluatedSplit(t, append(evaluation, "--data", data, "--device", "cpu")...),
				l.evaluated)
		})
	}
}

// splitFolder draws photos of two classes: four of each in the first split, three
// in the second, two in the third. No photo is there twice.
func splitFolder(t *testing.T, dir string, splits ...string) string {
	t.Helper()
	for s, split := range splits {
		for c, class := range []string{"blue", "red"} {
			folder := filepath.Join(dir, split, class)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for n := range 4 - s {
				picture := image.NewNRGBA(image.Rect(0, 0, 48, 40))
				for i := range 48 * 40 {
					green := uint8(40*n + 10*s + i%10)
					picture.SetNRGBA(i%48, i/48, color.NRGBA{uint8(200 * c), green, uint8(200 * (1 - c)), 255})
				}
				f, err := os.Create(filepath.Join(folder, fmt.Sprint(n, ".png")))
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
		}
	}
	return dir
}

// splitList writes a list of the photos of a folder beside it.
func splitList(t *testing.T, dir string) string {
	t.Helper()
	photos, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	list := "path,label,split\n"
	for _, photo := range photos {
		parts := strings.Split(filepath.ToSlash(photo), "/")
		list += strings.Join([]string{filepath.ToSlash(photo), parts[2], parts[1]}, ",") + "\n"
	}
	file := dir + ".csv"
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func extraction(network, data, store string, args ...string) []string {
	return append([]string{
		"extract", "--backbone", network, "--data", data, "--out", store, "--resize", "32", "--crop", "24",
		"--device", "cpu",
	}, args...)
}

// splitStore extracts all photos and returns their number.
func splitStore(t *testing.T, network, data, store string) int {
	t.Helper()
	var s struct{ Images int }
	if refused := splitAnswer(t, &s, extraction(network, data, store)...); refused != "" {
		t.Fatal(refused)
	}
	return s.Images
}

// splitAnswer decodes what a command prints with --json. An error is returned as
// its text from "no split" or "the split" on, with the first sentence of its hint.
func splitAnswer(t *testing.T, into any, args ...string) string {
	t.Helper()
	a := fx(t, append(args, "--json", "--quiet")...)
	if a.code == 0 {
		if err := json.Unmarshal([]byte(a.stdout), into); err != nil {
			t.Fatalf("fx %s: %v", strings.Join(args, " "), err)
		}
		return ""
	}
	var refused struct{ Error, Hint string }
	if err := json.Unmarshal([]byte(a.stdout), &refused); err != nil || a.code != 2 {
		t.Fatalf("fx %s: exit code %d, %v\n%s", strings.Join(args, " "), a.code, err, a.stderr)
	}
	for _, start := range []string{"no split", "the split"} {
		if at := strings.Index(refused.Error, start); at >= 0 {
			refused.Error = refused.Error[at:]
		}
	}
	refused.Error, _, _ = strings.Cut(refused.Error, " of ")
	hint, _, _ := strings.Cut(refused.Hint, ". ")
	return refused.Error + "; " + strings.TrimSuffix(hint, ".") + "."
}

func quickstartSplits(t *testing.T, network, data, out string) string {
	t.Helper()
	var s struct {
		TrainSplit string                 `json:"train_split"`
		Evaluation struct{ Split string } `json:"judged"`
	}
	if refused := splitAnswer(t, &s, "quickstart", data, "--out", out, "--backbone", network, "--device",
		"cpu"); refused != "" {
		return refused
	}
	if s.Evaluation.Split == "" {
		s.Evaluation.Split = "folds"
	}
	return s.TrainSplit + " > " + s.Evaluation.Split
}

// trainedSplits are those that the command's MODEL in dir says.
func trainedSplits(t *testing.T, dir string, args ...string) string {
	t.Helper()
	var s struct{}
	if refused := splitAnswer(t, &s, args...); refused != "" {
		return refused
	}
	return splitsOfModel(t, dir)
}

func splitsOfModel(t *testing.T, dir string) string {
	t.Helper()
	m, _, err := modeldir.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m.Metrics.TrainSplit + " > " + m.Metrics.ValSplit
}

// experimentSplits are those of an experiment's runs, by mode.
func experimentSplits(t *testing.T, network, data, name, train, val string) map[string]string {
	t.Helper()
	file := name + ".yaml"
	text := fmt.Sprintf("format: 1\nname: %s\ntitle: Splits\ndata: %s\nbackbones: [{name: %q}]\n"+
		"modes: [feature-extraction, finetune]\nseeds: [4]\n"+
		"settings: {epochs: 1, batch-size: 4, resize: 32, crop: 24, views: 1, train-split: %q, val-split: %q}\n",
		name, data, network, train, val)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s struct{}
	out := name + "-experiment"
	refused := splitAnswer(t, &s, "experiment", "run", file, "--out", out, "--no-report", "--device", "cpu")
	found := map[string]string{}
	for _, mode := range []string{"feature-extraction", "finetune"} {
		runs, err := filepath.Glob(filepath.Join(out, "runs", "*"+mode+"*"))
		if found[mode] = refused; err == nil && len(runs) == 1 {
			found[mode] = splitsOfModel(t, runs[0])
		}
	}
	return found
}

func learnedPhotos(t *testing.T, args ...string) string {
	t.Helper()
	var s struct{ Photos int }
	if refused := splitAnswer(t, &s, args...); refused != "" {
		return refused
	}
	return fmt.Sprint(s.Photos)
}

func evaluatedSplit(t *testing.T, args ...string) string {
	t.Helper()
	var s struct{ Split string }
	if refused := splitAnswer(t, &s, args...); refused != "" {
		return refused
	}
	return s.Split
}
